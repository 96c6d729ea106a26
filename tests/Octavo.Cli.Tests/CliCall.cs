using System.Text;

namespace Octavo.Cli.Tests;

/// <summary>
/// A command line within the test's own process, for what ends before anything is loaded: a tenth of the time that a process
/// takes. What it writes to standard output is not seen here, but for help.
/// </summary>
internal static class CliCall
{
    private static readonly AsyncLocal<StringWriter?> Errors = new();
    private static readonly AsyncLocal<StringWriter?> Outputs = new();

    static CliCall()
    {
        Console.SetError(new PerCall(Errors, Console.Error));
        Console.SetOut(new PerCall(Outputs, Console.Out));
    }

    /// <summary>Runs a command line.</summary>
    public static async Task<CliResult> RunAsync(params string[] args)
    {
        (Errors.Value, Outputs.Value) = (new StringWriter { NewLine = "\n" }, new StringWriter { NewLine = "\n" });
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
