using System.Diagnostics;
using Octavo.Engine;

namespace Octavo.Lab.Measuring;

/// <summary>What a process of its own is measured by.</summary>
internal enum StartLoad
{
    /// <summary>One request, then some long ones that fill a part of the cache.</summary>
    One,

    /// <summary>Three times 64 requests of 100 tokens, 16 at once, the likeliest token each time.</summary>
    Greedy,

    /// <summary>The same, drawn as the model's defaults say.</summary>
    Drawn,
}

/// <summary>
/// Loads a model and uses it, in a process that has done nothing else: what runs first finds code that was not compiled
/// yet.
/// </summary>
internal static class StartBenchmark
{
    /// <summary>Requests of a load.</summary>
    public const int Requests = 64;

    /// <summary>Loads that follow one another.</summary>
    public const int Loads = 3;

    private const int AtOnce = 16;
    private const int PromptTokens = 8;
    private const int OutputTokens = 100;
    private const int FillingRequests = 16;
    private const int FillingPrompt = 240;
    private const int FillingOutput = 16;

    /// <summary>Measures.</summary>
    /// <param name="model">The model's directory.</param>
    /// <param name="options">How it is loaded.</param>
    /// <param name="load">What it does then.</param>
    /// <param name="firstToken">Hears that the first token is there.</param>
    public static async Task<StartFigures> RunAsync(
        string model, EngineOptions options, StartLoad load, Action firstToken)
    {
        options = options with { Scheduling = options.Scheduling with { MaxNumSeqs = AtOnce } };
        var meter = new Meter();
        long began = Stopwatch.GetTimestamp();
        await using AsyncEngine engine = AsyncEngine.Load(model, options, meter);
        double loaded = Stopwatch.GetElapsedTime(began).TotalSeconds;
        var tokens = new Tokens(engine);
        long asked = Stopwatch.GetTimestamp();
        double first = 0;
        List<double> rates = [];
        if (load == StartLoad.One)
        {
            await tokens.RunAsync(1, PromptTokens, 1, greedy: true).ConfigureAwait(false);
            first = Stopwatch.GetElapsedTime(asked).TotalSeconds;
            firstToken();
            await tokens.RunAsync(FillingRequests, FillingPrompt, FillingOutput, greedy: true).ConfigureAwait(false);
        }
        else
        {
            for (int i = 0; i < Loads; i++)
            {
                long started = Stopwatch.GetTimestamp();
                await tokens.RunAsync(Requests, PromptTokens, OutputTokens, load == StartLoad.Greedy)
                    .ConfigureAwait(false);
                rates.Add(Requests * OutputTokens / Stopwatch.GetElapsedTime(started).TotalSeconds);
            }
        }

        return new StartFigures
        {
            Loading = meter.Packed,
            Ready = loaded - meter.Packed,
            FirstToken = first,
            WeightBytes = engine.Model.WeightBytes,
            CacheBytes = engine.Model.KvCacheBytes / engine.Model.NumBlocks
                * Math.Min(engine.Model.NumBlocks, tokens.Blocks),
            ResidentBytes = Environment.WorkingSet,
            Rates = rates,
        };
    }

    private sealed class Meter : IProgress<LoadProgress>
    {
        private readonly long _began = Stopwatch.GetTimestamp();

        public double Packed { get; private set; }

        public void Report(LoadProgress value) => Packed = Stopwatch.GetElapsedTime(_began).TotalSeconds;
    }

    /// <summary>Requests without a text, no two with the same prompt.</summary>
    private sealed class Tokens(AsyncEngine engine)
    {
        private Noise _noise = new(seed: 1);

        /// <summary>Blocks of the cache that they took.</summary>
        public int Blocks { get; private set; }

        public Task RunAsync(int requests, int prompt, int output, bool greedy)
        {
            SamplingParams sampling = engine.Model.DefaultSamplingParams with { MaxTokens = output, IgnoreEos = true };
            sampling = greedy ? sampling with { Temperature = 0 } : sampling with { Seed = 1 };
            Blocks += requests * ((prompt + output + engine.Model.BlockSize - 1) / engine.Model.BlockSize);
            return Task.WhenAll(
                Enumerable.Range(0, requests).Select(_ => engine.GenerateAsync(Prompt(prompt), sampling)));
        }

        private int[] Prompt(int length) =>
            [.. Enumerable.Range(0, length).Select(_ => (int)(Math.Abs(_noise.Next()) * (engine.Model.VocabSize - 1)))];
    }
}
