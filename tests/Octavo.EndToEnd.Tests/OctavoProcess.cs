using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Octavo.Testing;

namespace Octavo.EndToEnd.Tests;

/// <summary>
/// The program as users start it: a process of its own, told apart from the tests by nothing but its arguments.
/// </summary>
internal sealed partial class OctavoProcess : IAsyncDisposable
{
#if DEBUG
    private const string Configuration = "Debug";
#else
    private const string Configuration = "Release";
#endif

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly TaskCompletionSource<string> _url = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private OctavoProcess(string[] arguments)
    {
        Assert.SkipWhen(Repository.Root is null, "needs the checkout");
        string program = Path.Combine(
            Repository.Root, "src", "Octavo.Cli", "bin", Configuration, "net10.0", "Octavo.Cli.dll");
        var start = new ProcessStartInfo("dotnet", [program, .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.OutputDataReceived += (_, e) => Hear(e.Data);
        _process.ErrorDataReceived += (_, e) => Hear(e.Data);
        _process.Exited += (_, _) =>
            _url.TrySetException(new InvalidOperationException("the server has exited: " + Output));
        _process.Start();
        _process.StandardInput.Close();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Everything the process has said.</summary>
    public string Output => string.Join('\n', _lines);

    /// <summary>Where the server listens.</summary>
    public Uri Url { get; private set; } = new("about:blank");

    /// <summary>Starts a server on a free port and waits until it listens.</summary>
    public static async Task<OctavoProcess> ServeAsync(params string[] arguments)
    {
        var server = new OctavoProcess(["serve", "--port", "0", .. arguments]);
        server.Url = new Uri(await server._url.Task.WaitAsync(TimeSpan.FromMinutes(10)));
        return server;
    }

    /// <summary>Runs a command to its end.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(params string[] arguments)
    {
        await using var process = new OctavoProcess(arguments);
        return (await process.WaitForExitAsync(), process.Output);
    }

    /// <summary>Asks it to end, as a service manager does.</summary>
    public void Terminate() => kill(_process.Id, 15).ShouldBe(0);

    public async Task<int> WaitForExitAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(10));
        await _process.WaitForExitAsync(limit.Token);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _ = _url.Task.Exception;
        _process.Dispose();
    }

    private void Hear(string? line)
    {
        if (line is null)
        {
            return;
        }

        _lines.Enqueue(line);
        if (UrlInText().Match(line) is { Success: true } match)
        {
            _url.TrySetResult(match.Value);
        }
    }

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+")]
    private static partial Regex UrlInText();

    [DllImport("libc", SetLastError = true)]
    private static extern int kill(int process, int signal);
}
