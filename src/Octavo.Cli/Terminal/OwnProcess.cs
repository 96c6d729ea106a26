using System.Diagnostics;

namespace Octavo.Cli.Terminal;

/// <summary>This program once more, as a process of its own.</summary>
internal static class OwnProcess
{
    private static readonly string[] Names = ["octavo", "octavo.exe", "Octavo.Cli", "Octavo.Cli.exe"];

    /// <summary>Starts a command line; its standard output is read by the caller.</summary>
    public static Process Start(IEnumerable<string> args)
    {
        string? self = Environment.ProcessPath;
        bool standsAlone = Names.Contains(Path.GetFileName(self));
        var start = new ProcessStartInfo(standsAlone ? self! : "dotnet")
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
        };
        foreach (string arg in standsAlone ? args
            : ["exec", Path.Combine(AppContext.BaseDirectory, "Octavo.Cli.dll"), .. args])
        {
            start.ArgumentList.Add(arg);
        }

        return Process.Start(start) ?? throw new InvalidOperationException($"{start.FileName} did not start");
    }
}
