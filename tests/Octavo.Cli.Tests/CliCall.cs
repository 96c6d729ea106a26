using System.Text;
using Octavo.Cli.Terminal;

namespace Octavo.Cli.Tests;

/// <summary>
/// A command line within the test's own process, its streams redirected: a fraction of the time that a process takes.
/// What only a process has (its exit, signals, its own standard streams) <see cref="CliProcess"/> sees.
/// </summary>
internal static class CliCall
{
    private static readonly AsyncLocal<StringWriter?> Errors = new();
    private static readonly AsyncLocal<StringWriter?> Outputs = new();

    static CliCall()
    {
        // Help and the errors of the parser go to the console itself.
        Console.SetError(new PerCall(Errors, Console.Error));
        Console.SetOut(new PerCall(Outputs, Console.Out));
    }

    /// <summary>Runs a command line, whose standard input has ended.</summary>
    public static Task<CliResult> RunAsync(params string[] args) => RunAsync(string.Empty, args);

    /// <summary>Runs a command line with a text as its standard input.</summary>
    public static async Task<CliResult> RunAsync(string input, string[] args)
    {
        (Errors.Value, Outputs.Value) = (new StringWriter { NewLine = "\n" }, new StringWriter { NewLine = "\n" });
        Stdio.Redirect(Outputs.Value, Errors.Value, new StringReader(input));
        int code = await CommandLine.RunAsync(args);
        return new CliResult(code, Outputs.Value.ToString(), Errors.Value.ToString());
    }

    // Tests run side by side, and the console is one for all of them.
    private sealed class PerCall(AsyncLocal<StringWriter?> current, TextWriter otherwise) : TextWriter
    {
        public override Encoding Encoding => otherwise.Encoding;

        public override void Write(char value) => (current.Value ?? otherwise).Write(value);

        public override void Write(string? value) => (current.Value ?? otherwise).Write(value);

        public override void WriteLine(string? value) => (current.Value ?? otherwise).WriteLine(value);
    }
}
