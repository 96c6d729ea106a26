using System.Globalization;
using System.Net;
using System.Reflection;
using System.Text;

namespace Octavo.Cli.Terminal;

/// <summary>
/// What all report pages have: one HTML file that loads nothing, readable on a telephone, and says what made it.
/// </summary>
internal static class ReportPage
{
    private const string Style =
        """
        body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430;
        background:#fff}
        h1{font-size:1.5rem;margin-bottom:.2rem;overflow-wrap:anywhere}h2{font-size:1.05rem;
        margin:2rem 0 .3rem}p{margin:.3rem 0}
        .soft,footer{color:#5a6675}footer{margin-top:2.5rem;font-size:.85rem;overflow-wrap:anywhere}
        .scroll{overflow-x:auto}
        table{border-collapse:collapse;width:100%}td,th{padding:.25rem .5rem;border-bottom:1px solid #d8dee6;
        vertical-align:top}
        svg{width:100%;height:auto}text{font:12px system-ui,sans-serif;fill:#5a6675}.scroll svg{min-width:38rem}
        @media(max-width:30rem){body{margin:1rem auto}}
        @media(prefers-color-scheme:dark){body{color:#dfe6ee;background:#12171d}td,th{border-color:#2a333d}
        .soft,footer{color:#9aa5b1}text{fill:#9aa5b1}}
        """;

    /// <summary>Begins a page.</summary>
    /// <param name="title">Its title.</param>
    /// <param name="style">Rules beside those of all pages.</param>
    public static StringBuilder Begin(string title, string style) => new StringBuilder().Append(
        CultureInfo.InvariantCulture,
        $"<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
            + $"content=\"width=device-width, initial-scale=1\"><title>{Escape(title)}</title>"
            + $"<style>{Style}{style}</style></head><body><h1>{Escape(title)}</h1>");

    /// <summary>Ends it: version, machine, command.</summary>
    public static string End(StringBuilder page) => page.Append(
        CultureInfo.InvariantCulture,
        $"<footer>octavo {Escape(Version)} · {Escape(ProcessorReport.Name)}, {Environment.ProcessorCount} "
            + $"processors, {Escape(Backends.Default.Kernels)} · <code>octavo "
            + $"{Escape(Command)}</code></footer></body></html>\n")
            .ToString();

    /// <summary>The program's version.</summary>
    public static string Version { get; } =
        typeof(ReportPage).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion
            .Split('+')[0];

    /// <summary>Text as HTML has it.</summary>
    public static string Escape(string text) => WebUtility.HtmlEncode(text);

    private static string Command =>
        string.Join(
            ' ',
            Environment.GetCommandLineArgs().Skip(1).Select(
                a => a.Contains(' ', StringComparison.Ordinal) ? $"\"{a}\"" : a));
}
