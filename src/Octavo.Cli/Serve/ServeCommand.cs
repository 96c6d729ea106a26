using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Server;

namespace Octavo.Cli.Serve;

/// <summary><c>octavo serve</c>: a model behind HTTP until a signal ends it.</summary>
internal sealed class ServeCommand
{
    private const int LargestPort = 65535;
    private const int LongestShutdown = 24 * 60 * 60;

    private static readonly TimeSpan LongestKeepAlive = TimeSpan.FromHours(24);
    private static readonly ServerOptions Defaults = new();

    private readonly Argument<string?> _model = new("MODEL")
    {
        Description = ModelLocator.Takes + ". [default: the bundled story-teller, tales]",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _host = OptionKinds.Text(
        "--host", "HOST", $"Address to listen on; * is all of them. [default: {Defaults.Host}, this machine only]");

    private readonly Option<int?> _port = OptionKinds
        .Integer("--port", $"Port to listen on; 0 takes any that is free. [default: {Defaults.Port}]");

    private readonly Option<string[]> _servedModelName = new("--served-model-name")
    {
        Description = "Name that requests call the model by. Repeat for several; answers carry the first. [default: "
            + "the directory's name]",
        HelpName = "NAME",
        Arity = ArgumentArity.OneOrMore,        // one a time: a second word is MODEL
    };

    private readonly Option<double?> _shutdownTimeout = OptionKinds.Number(
        "--shutdown-timeout",
        "Seconds that requests in flight may take to end after a signal, up to a day. [default: "
            + $"{Defaults.ShutdownTimeout.TotalSeconds}]");

    private readonly Option<string[]> _allowedHosts = OptionKinds.Words(
        "--allowed-hosts",
        "NAME,…",
        "Host names that requests may call the server by, beside this machine's; * is any, *.example.com all below "
            + "it. On a loopback address others are answered with 403; on other addresses they are where this "
            + "is given.");

    private readonly Option<string[]> _corsOrigins = OptionKinds.Words(
        "--cors-origins",
        "ORIGIN,…",
        "Origins of web pages that may call the server, such as https://chat.example.com; * is any. On a loopback "
            + "address pages of other machines are answered with 403 otherwise.");

    private readonly Option<TimeSpan?> _sseKeepAliveInterval = OptionKinds.Duration(
        "--sse-keep-alive-interval",
        "How long a stream may be silent before it sends a comment, so that proxies keep it; 0 sends none. [default: "
            + $"{Defaults.SseKeepAliveInterval.TotalSeconds}s]");

    private readonly EngineArguments _engine = new(
        EngineSettings.Loading,
        EngineSettings.Steps,
        EngineSettings.Seeds,
        EngineSettings.GenerationConfig,
        EngineSettings.Tokens,
        EngineSettings.Queue,
        EngineSettings.Metrics)
    {
        TakesFile = true,
    };

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new ServeCommand();
        var command = new Command("serve", "Serve a model over HTTP, with OpenAI's API.")
        {
            it._model,
            it._host,
            it._port,
            it._servedModelName,
            it._shutdownTimeout,
            it._allowedHosts,
            it._corsOrigins,
            it._sseKeepAliveInterval,
        };
        it._engine.AddTo(command);
        command.SetAction((result, _) => it.RunAsync(result));
        return command;
    }

    private async Task<int> RunAsync(ParseResult result)
    {
        ServerOptions server = ReadServer(result);
        EngineOptions options = _engine.Read(result);
        options =
            options with { Model = options.Model with { ServedModelName = server.ServedModelNames.FirstOrDefault() } };
        string model = ModelLocator.Find(result.GetValue(_model));
        OctavoServer.CheckAddress(server);
        using var signals = new ServeSignals();
        try
        {
            await ServeAsync(model, options, server, signals).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (signals.Drain.IsCancellationRequested)
        {
            return signals.ExitCodeOfStop;
        }

        return ExitCode.Success;
    }

    private static async Task ServeAsync(
        string model, EngineOptions options, ServerOptions server, ServeSignals signals)
    {
        using ILoggerFactory loggers = LoggerFactory.Create(logging => logging
            .AddFilter("Microsoft", LogLevel.Warning)
            // What it says is also thrown, and told in one line.
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None)
            .AddSimpleConsole(console => console.SingleLine = true)
            .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
        AsyncEngine engine = await EngineLoader.LoadAsync(model, options, showProgress: true, signals.Drain)
            .ConfigureAwait(false);
        await using (engine.ConfigureAwait(false))
        {
            OctavoServer running = await OctavoServer.StartAsync(
                engine, server with { LoggerFactory = loggers }, signals.Drain).ConfigureAwait(false);
            await using (running.ConfigureAwait(false))
            {
                Announce(engine.Model, options, running.Url);
                await WaitAsync(engine, running, signals).ConfigureAwait(false);
                await StopAsync(engine, running, signals).ConfigureAwait(false);
            }
        }
    }

    private ServerOptions ReadServer(ParseResult result)
    {
        int port = result.GetValue(_port) ?? Defaults.Port;
        UsageException.ThrowIf(port is < 0 or > LargestPort, $"--port must be from 0 to {LargestPort}; it is {port}");

        double? seconds = result.GetValue(_shutdownTimeout);
        UsageException.ThrowIf(
            seconds is < 0 or > LongestShutdown,
            $"--shutdown-timeout must be from 0 to {LongestShutdown} seconds; it is {seconds}");

        TimeSpan? keepAlive = result.GetValue(_sseKeepAliveInterval);
        UsageException.ThrowIf(
            keepAlive > LongestKeepAlive,
            $"--sse-keep-alive-interval must be at most {LongestKeepAlive.TotalHours} hours; 0 turns it off");

        string[] names = result.GetValue(_servedModelName) ?? [];
        UsageException.ThrowIf(names.Any(string.IsNullOrWhiteSpace), "--served-model-name must not be empty");

        return Defaults with
        {
            ModelRoot = result.GetValue(_model),
            AllowedHosts = Each(result, _allowedHosts, IsHostName, "takes host names without scheme and path"),
            CorsOrigins = Each(
                result, _corsOrigins, IsOrigin, "takes origins such as https://chat.example.com, without a path"),
            SseKeepAliveInterval = keepAlive ?? Defaults.SseKeepAliveInterval,
            Host = result.GetValue(_host) ?? Defaults.Host,
            Port = port,
            ServedModelNames = [.. names.Distinct()],
            ShutdownTimeout = seconds is { } s ? TimeSpan.FromSeconds(s) : Defaults.ShutdownTimeout,
        };
    }

    private static string[] Each(ParseResult result, Option<string[]> option, Func<string, bool> isRight, string takes)
    {
        string[] words = result.GetValue(option) ?? [];
        return Array.Find(words, w => !isRight(w)) is { } wrong
            ? throw new UsageException($"{option.Name} {takes}; it is '{wrong}'")
            : words;
    }

    private static bool IsHostName(string word) => word == "*" || word.AsSpan().IndexOfAny("/ \\@") < 0;

    private static bool IsOrigin(string word) =>
        word is "*" or "null" || (Uri.TryCreate(word, UriKind.Absolute, out Uri? uri)
            && uri.AbsolutePath is "/" or ""
            && uri.Query.Length == 0
            && word.Contains("://", StringComparison.Ordinal));

    private static void Announce(ModelInfo model, EngineOptions options, string url)
    {
        BatchingTargets targets = options.Scheduling.Targets;
        string batching = options.Scheduling.Batching == BatchingMode.Fixed
            ? $"batches  fixed: up to {model.MaxNumSeqs} requests and {model.MaxNumBatchedTokens} tokens a step"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"batches  adaptive: at most {targets.InterToken.TotalMilliseconds:G4} ms between tokens, for "
                    + $"{targets.Percentile * 100:G4}% of them");
        string share = model.MemoryFraction is { } fraction
            ? string.Create(CultureInfo.InvariantCulture, $", at most {fraction * 100:G4}%")
            : string.Empty;
        Stdio.Out.WriteLine(
            $"model    {model.Name} ({model.Architecture}), up to {model.MaxModelLen} tokens a request");
        Stdio.Out.WriteLine($"weights  {ByteSize.Format(model.WeightBytes)} in {SettingNames.Of(model.Weights)}");
        Stdio.Out.WriteLine($"cache    {ByteSize.Format(model.KvCacheBytes)} in {SettingNames.Of(model.KvCache)}: "
            + $"{model.KvCacheTokens} tokens in {model.NumBlocks} blocks");
        Stdio.Out.WriteLine($"memory   {ByteSize.Format(model.WeightBytes + model.KvCacheBytes + model.StepBytes)} in "
            + $"all{share} of {ByteSize.Format(model.Memory.Free)} free at start ({model.Memory.Source}; "
            + $"{ByteSize.Format(model.Memory.Total)} in all)");
        Stdio.Out.WriteLine(batching);
        Stdio.Out.WriteLine(
            $"runs on  {model.Threads} threads, {model.Kernels} kernels; up to {model.MaxNumSeqs} requests at once");
        if (model.GenerationDefaults.MaxNewTokens is { } most)
        {
            Stdio.Out.WriteLine($"answers  {most} tokens at most where a request says nothing (max_new_tokens in "
                + "generation_config.json)");
        }

        Stdio.Out.WriteLine($"ready    {url}");
        Stdio.Out.Flush();
    }

    // Until a signal comes, the server stops by itself, or the engine breaks.
    private static async Task WaitAsync(AsyncEngine engine, OctavoServer server, ServeSignals signals)
    {
        Task stopped = server.WaitForShutdownAsync(CancellationToken.None);
        Task drain = Task.Delay(Timeout.InfiniteTimeSpan, signals.Drain);
        if (await Task.WhenAny(drain, stopped, engine.Completion).ConfigureAwait(false) == engine.Completion)
        {
            await engine.Completion.ConfigureAwait(false);
        }
    }

    private static async Task StopAsync(AsyncEngine engine, OctavoServer server, ServeSignals signals)
    {
        if (engine.NumRequests is > 0 and var requests)
        {
            await Stdio.Error.WriteLineAsync($"draining {Count(requests)}… (a second signal aborts)")
                .ConfigureAwait(false);
        }

        Task stopping = server.StopAsync();
        Task aborted = Task.Delay(Timeout.InfiniteTimeSpan, signals.Abort);
        if (await Task.WhenAny(stopping, aborted).ConfigureAwait(false) == aborted)
        {
            // An engine that is gone ends every answer, and then nothing holds the server.
            await Stdio.Error.WriteLineAsync($"aborting {Count(engine.NumRequests)}").ConfigureAwait(false);
            await engine.DisposeAsync().ConfigureAwait(false);
        }

        await stopping.ConfigureAwait(false);
    }

    private static string Count(int requests) => requests == 1 ? "1 request" : $"{requests} requests";
}
