using Spectre.Console;

namespace Octavo.Cli.Terminal;

/// <summary>Where tables are written.</summary>
internal static class Tables
{
    // Wide enough for any row where there is no terminal to fit into.
    private const int RedirectedWidth = 200;

    /// <summary>Standard output, for tables.</summary>
    public static IAnsiConsole Console()
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Stdio.Out) });
        if (!Stdio.OutIsTerminal)
        {
            console.Profile.Width = RedirectedWidth;
            console.Profile.Capabilities.Ansi = false;
        }

        return console;
    }
}
