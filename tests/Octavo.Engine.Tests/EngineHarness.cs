using System.Diagnostics.Metrics;

namespace Octavo.Engine.Tests;

/// <summary>An engine over a fake model, and everything that its requests said.</summary>
internal sealed class EngineHarness : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly Dictionary<string, double> _metrics = [];

    public EngineHarness(
        int numBlocks = 64,
        int blockSize = 4,
        int maxModelLen = 64,
        int maxSeqs = 16,
        int maxTokens = 64,
        bool prefixCaching = true,
        Func<LlmEngineOptions, LlmEngineOptions>? configure = null,
        IReadOnlyList<CacheGroup>? groups = null)
    {
        Runner = new FakeRunner(numBlocks, blockSize, groups: groups);
        var options = new LlmEngineOptions
        {
            MaxModelLen = maxModelLen,
            Scheduling = new()
            {
                Batching = BatchingMode.Fixed,
                MaxNumSeqs = maxSeqs,
                MaxNumBatchedTokens = maxTokens,
                EnablePrefixCaching = prefixCaching,
                KvCacheWatermark = 0,
            },
            EosTokenIds = [EosToken],
        };
        Engine = new LlmEngine(Runner, null, configure?.Invoke(options) ?? options, Clock);
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter == Engine.Meter)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => Record(instrument, value));
        _listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => Record(instrument, value));
        _listener.SetMeasurementEventCallback<int>((instrument, value, _, _) => Record(instrument, value));
        _listener.Start();
    }

    public const int EosToken = 63;

    public FakeRunner Runner { get; }

    public LlmEngine Engine { get; }

    public ManualClock Clock { get; } = new();

    /// <summary>Request id -> its outputs, in order.</summary>
    public Dictionary<string, List<RequestOutput>> Outputs { get; } = [];

    /// <summary>What greedy decoding of a prompt must give.</summary>
    public static int[] Expected(IReadOnlyList<int> prompt, int maxTokens, bool ignoreEos = true)
    {
        List<int> history = [.. prompt];
        for (int i = 0; i < maxTokens; i++)
        {
            history.Add(FakeRunner.Next(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(history), 64));
            if (!ignoreEos && history[^1] == EosToken)
            {
                break;
            }
        }

        return [.. history.Skip(prompt.Count)];
    }

    public void Add(string id, int[] prompt, SamplingParams? parameters = null, int priority = 0, string? salt = null)
    {
        List<RequestOutput> outputs = [];
        Engine.Add(
            new EngineRequest
            {
                Id = id,
                PromptTokenIds = prompt,
                Parameters = parameters ?? new SamplingParams { Temperature = 0, IgnoreEos = true },
                Options = new RequestOptions { Priority = priority, CacheSalt = salt },
            },
            outputs.Add);
        Outputs[id] = outputs;
    }

    public int Preemptions => (int)Metric("octavo.preemptions");

    public RequestOutput Final(string id)
    {
        Outputs[id].Count(o => o.Finished).ShouldBe(1, $"{id} must end exactly once");
        Outputs[id][^1].Finished.ShouldBeTrue();
        return Outputs[id][^1];
    }

    public void RunToEnd(int mostSteps = 10_000)
    {
        for (int i = 0; Engine.HasWork; i++)
        {
            i.ShouldBeLessThan(mostSteps, "the engine does not come to an end");
            Engine.Step().ShouldBeTrue("an engine with work must make progress");
            Clock.Advance(TimeSpan.FromMilliseconds(10));
            Engine.CheckIntegrity();
        }
    }

    /// <summary>The sum of what an instrument recorded, or an observed value.</summary>
    public double Metric(string name)
    {
        _listener.RecordObservableInstruments();
        return _metrics.GetValueOrDefault(name);
    }

    public void Dispose()
    {
        _listener.Dispose();
        Engine.Dispose();
    }

    private void Record(Instrument instrument, double value) =>
        _metrics[instrument.Name] = instrument.IsObservable
            ? value
            : _metrics.GetValueOrDefault(instrument.Name) + value;
}

/// <summary>A clock that stands until it is moved.</summary>
internal sealed class ManualClock : TimeProvider
{
    private long _ticks = 1;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => _ticks;

    public void Advance(TimeSpan by) => _ticks += by.Ticks;
}
