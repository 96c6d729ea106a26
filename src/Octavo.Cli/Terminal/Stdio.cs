using System.Text;

namespace Octavo.Cli.Terminal;

/// <summary>
/// Where text goes. Results go to <see cref="Out"/> and nothing else does; everything said to a person goes to
/// <see cref="Error"/>. Styles and progress appear only where a person looks.
/// </summary>
internal static class Stdio
{
    private const string DimOn = "\e[2m";
    private const string DimOff = "\e[22m";

    private static readonly AsyncLocal<Streams?> Lent = new();

    /// <summary>Standard output; always UTF-8 where it is not a terminal, whatever the locale says.</summary>
    public static TextWriter Out => Lent.Value?.Out ?? OfProcess.Out;

    /// <summary>Standard error.</summary>
    public static TextWriter Error => Lent.Value?.Error ?? Console.Error;

    /// <summary>Standard input; UTF-8 where it is not a terminal.</summary>
    public static TextReader In => Lent.Value?.In ?? OfProcess.In;

    /// <summary>True where a person types the input.</summary>
    public static bool InIsTerminal => Lent.Value is null && !Console.IsInputRedirected;

    /// <summary>True where a person reads the result as it comes.</summary>
    public static bool OutIsTerminal => Lent.Value is null && !Console.IsOutputRedirected;

    /// <summary>True where a person reads what is said beside the result.</summary>
    public static bool ErrorIsTerminal => Lent.Value is null && !Console.IsErrorRedirected;

    /// <summary>True where a person reads both the result and what is said beside it.</summary>
    public static bool IsInteractive => OutIsTerminal && ErrorIsTerminal;

    /// <summary>
    /// Gives the calling flow other streams, in place of the process's: as if these were redirected to.
    /// </summary>
    public static void Redirect(TextWriter output, TextWriter error, TextReader input) =>
        Lent.Value = new Streams(output, error, input);

    /// <summary>The text in a dim style where standard output shows styles, else the text itself.</summary>
    public static string Dim(string text) => OutShowsStyles ? DimOn + text + DimOff : text;

    /// <summary>The text in a dim style where standard error shows styles, else the text itself.</summary>
    public static string DimError(string text) => ErrorIsTerminal && ShowsStyles ? DimOn + text + DimOff : text;

    /// <summary>Whether standard output shows styles: a terminal that knows them, read by who wants them.</summary>
    public static bool OutShowsStyles => OutIsTerminal && ShowsStyles;

    // https://no-color.org, and terminals that know no styles.
    private static bool ShowsStyles =>
        string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
        && Environment.GetEnvironmentVariable("TERM") != "dumb"
        && (!OperatingSystem.IsWindows() || Environment.GetEnvironmentVariable("WT_SESSION") is not null);

    private sealed record Streams(TextWriter Out, TextWriter Error, TextReader In);

    private static class OfProcess
    {
        public static TextWriter Out { get; } = Console.IsOutputRedirected
            ? new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false))
            : Console.Out;

        public static TextReader In { get; } = Console.IsInputRedirected
            ? new StreamReader(Console.OpenStandardInput(), Encoding.UTF8)
            : Console.In;
    }
}
