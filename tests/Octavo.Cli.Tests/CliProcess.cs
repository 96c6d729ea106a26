using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Octavo.Cli.Tests;

/// <summary>The program as a user starts it: a process of its own, with its streams redirected.</summary>
internal static class CliProcess
{
    private const string Ignored =
        "SIGINT is ignored here, as in a script's background job; run the tests in the foreground";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>Runs a command line to its end.</summary>
    public static Task<CliResult> RunAsync(params string[] args) => RunAsync(string.Empty, args);

    /// <summary>Runs a command line to its end, with a text as its standard input.</summary>
    public static async Task<CliResult> RunAsync(string input, string[] args)
    {
        using Process process = Start(args);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        return await EndAsync(process, await output, await error);
    }

    /// <summary>
    /// Runs a command line, and interrupts it (SIGINT, as Ctrl-C does) once it has written something.
    /// </summary>
    public static async Task<CliResult> InterruptAsync(params string[] args)
    {
        Assert.SkipWhen(IgnoresInterrupts(), Ignored);
        using Process process = Start(args);
        Task<string> error = process.StandardError.ReadToEndAsync();
        var first = new char[1];
        (await process.StandardOutput.ReadAsync(first)).ShouldBe(1);
        await InterruptAsync(process);
        return await EndAsync(process, first[0] + await process.StandardOutput.ReadToEndAsync(), await error);
    }

    /// <summary>Runs a command line, and interrupts it as soon as something is so.</summary>
    public static async Task<CliResult> InterruptWhenAsync(Func<bool> when, params string[] args)
    {
        Assert.SkipWhen(IgnoresInterrupts(), Ignored);
        using Process process = Start(args);
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        using (var patience = new CancellationTokenSource(Patience))
        {
            while (!when() && !process.HasExited)
            {
                await Task.Delay(5, patience.Token);
            }
        }

        process.HasExited.ShouldBeFalse("it must still run when it is interrupted");
        await InterruptAsync(process);
        return await EndAsync(process, await output, await error);
    }

    // A script's background job ignores SIGINT, and so do the processes that it starts.
    private static bool IgnoresInterrupts()
    {
        const string field = "SigIgn:";
        const ulong interrupt = 1UL << 1;                        // signal 2
        if (!OperatingSystem.IsLinux())
        {
            return false;
        }

        string ignored = File.ReadLines("/proc/self/status")
            .First(l => l.StartsWith(field, StringComparison.Ordinal))[field.Length..];
        return (ulong.Parse(ignored.Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) & interrupt) != 0;
    }

    private static async Task InterruptAsync(Process process)
    {
        using Process kill = Process.Start("kill", ["-INT", process.Id.ToString()]);
        await kill.WaitForExitAsync();
    }

    /// <summary>Starts a command line.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="variables">Variables of its environment, beside or in place of this process's.</param>
    public static Process Start(string[] args, params (string Name, string Value)[] variables)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = new UTF8Encoding(false),
            StandardErrorEncoding = new UTF8Encoding(false),
        };
        start.ArgumentList.Add("exec");
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Octavo.Cli.dll"));
        foreach (string arg in args)
        {
            start.ArgumentList.Add(arg);
        }

        foreach ((string name, string value) in variables)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    /// <summary>Waits for the end of a process whose standard input is of no use to it.</summary>
    public static async Task<CliResult> EndAsync(Process process)
    {
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        return await EndAsync(process, await output, await error);
    }

    private static async Task<CliResult> EndAsync(Process process, string output, string error)
    {
        using var patience = new CancellationTokenSource(Patience);
        await process.WaitForExitAsync(patience.Token);
        return new CliResult(process.ExitCode, output, error);
    }
}

/// <summary>What a process left behind.</summary>
internal sealed record CliResult(int Code, string Output, string Error);
