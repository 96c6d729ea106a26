using System.Diagnostics;

namespace Octavo.Testing;

/// <summary>Runs a test again in a process of its own: what other tests allocate and give back is not there.</summary>
public static class LoneProcess
{
    /// <summary>Runs one method of the running tests.</summary>
    /// <param name="tests">The class of the method.</param>
    /// <param name="method">Its name.</param>
    /// <param name="cases">How many cases it has: all must pass.</param>
    /// <param name="variable">The environment variable that tells the method that it runs alone.</param>
    /// <param name="value">The variable's value there.</param>
    public static async Task RunAsync(Type tests, string method, int cases, string variable, string value)
    {
        string[] arguments = ["exec", tests.Assembly.Location, "-noColor", "-method", $"{tests.FullName}.{method}"];
        var start = new ProcessStartInfo(
            "dotnet", arguments)
        { RedirectStandardOutput = true, UseShellExecute = false };
        start.Environment[variable] = value;

        // One test runs little of its code twice.
        start.Environment["DOTNET_TieredCompilation"] = "1";
        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Xunit.Assert.Contains($"Total: {cases}, Errors: 0, Failed: 0, Skipped: 0", output);
        Xunit.Assert.Equal(0, process.ExitCode);
    }
}
