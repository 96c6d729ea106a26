using System.Diagnostics;
using Octavo.Cpu;
using Octavo.Cpu.Cache;
using Octavo.Cpu.Panels;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Formats.Stored;
using Octavo.Models;

namespace Octavo.Lab.Measuring;

/// <summary>What a model is measured at.</summary>
internal sealed record ModelBenchmarkOptions
{
    /// <summary>How weights are stored.</summary>
    public required WeightScheme Weights { get; init; }

    /// <summary>How the output head is stored; null leaves it to <see cref="WeightScheme.ForHead"/>.</summary>
    public WeightScheme? Head { get; init; }

    /// <summary>What becomes of activations that meet weights in GGUF's blocks.</summary>
    public StoredActivations BlockInputs { get; init; } = StoredActivations.Int8;

    /// <summary>How keys and values are stored.</summary>
    public required KvCacheFormat KvCache { get; init; }

    /// <summary>Threads that share the work; null takes one a processor.</summary>
    public int? Threads { get; init; }

    /// <summary>Tokens of the prompt that is prefilled; 0 leaves it out.</summary>
    public int PromptTokens { get; init; } = 512;

    /// <summary>How many sequences decode at once, each in turn.</summary>
    public IReadOnlyList<int> Batches { get; init; } = [1, 2, 4, 8, 16, 32, 64];

    /// <summary>How many tokens each of them has behind it, each in turn.</summary>
    public IReadOnlyList<int> Contexts { get; init; } = [128, 4096];

    /// <summary>
    /// How tokens are drawn (<see cref="SamplingText"/>) from each step's rows, within its time; null draws none.
    /// </summary>
    public string? Sampling { get; init; }

    /// <summary><see cref="Sampling"/> in words.</summary>
    public string Drawing => Sampling is null ? "nothing drawn" : "drawn " + Sampling;

    /// <summary>How long a figure's runs go on, where the fewest do not take longer.</summary>
    public TimeSpan TimePerFigure { get; init; } = TimeSpan.FromSeconds(1.5);
}

/// <summary>How fast a kind of step ran.</summary>
/// <param name="Phase"><c>prefill</c> or <c>decode</c>.</param>
/// <param name="Sequences">Sequences in the batch.</param>
/// <param name="Context">Tokens that each had in the cache before.</param>
/// <param name="Tokens">Tokens computed in a step.</param>
/// <param name="Seconds">The median time of a step.</param>
/// <param name="WeightBytes">Bytes of weights, scales included, that a step reads.</param>
/// <param name="CacheBytes">Bytes of keys and values that a step reads.</param>
/// <param name="Operations">Multiplications and additions of the matrices and of attention.</param>
internal sealed record StepMeasurement(
    string Phase,
    int Sequences,
    int Context,
    int Tokens,
    double Seconds,
    long WeightBytes,
    long CacheBytes,
    long Operations)
{
    /// <summary>
    /// Bytes a second that the machine read just before or just after the step, whichever was more; 0 where nobody
    /// looked. Where others use the memory, too, the limit moves within minutes.
    /// </summary>
    public double ReadBandwidth { get; init; }

    /// <summary>What others had of the machine meanwhile; null where the system does not tell.</summary>
    public Disturbance? Disturbance { get; init; }

    /// <summary>Tokens a second.</summary>
    public double TokensPerSecond => Tokens / Seconds;

    /// <summary>Bytes of weights a second.</summary>
    public double WeightBytesPerSecond => WeightBytes / Seconds;

    /// <summary>Bytes of weights, keys and values a second.</summary>
    public double BytesPerSecond => (WeightBytes + CacheBytes) / Seconds;

    /// <summary>Operations a second.</summary>
    public double OperationsPerSecond => Operations / Seconds;
}

/// <summary>A kind of step.</summary>
/// <param name="Phase"><c>prefill</c> or <c>decode</c>.</param>
/// <param name="Sequences">Sequences in the batch.</param>
/// <param name="Context">Tokens that each has in the cache before.</param>
/// <param name="TokensEach">Tokens computed of each.</param>
internal sealed record StepKind(string Phase, int Sequences, int Context, int TokensEach)
{
    /// <inheritdoc/>
    public override string ToString() =>
        Phase == "prefill" ? $"prefill, {TokensEach} tokens" : $"{Phase}, batch {Sequences}, context {Context}";
}

/// <summary>A step that was run.</summary>
/// <param name="Began">When.</param>
/// <param name="Seconds">How long it took.</param>
internal readonly record struct TimedStep(DateTimeOffset Began, double Seconds);

/// <summary>A combination that was not measured, for want of memory.</summary>
/// <param name="Sequences">Sequences in the batch.</param>
/// <param name="Context">Tokens behind each.</param>
/// <param name="CacheBytes">What their keys and values would take.</param>
internal sealed record SkippedStep(int Sequences, int Context, long CacheBytes);

/// <summary>
/// Times whole steps of a <see cref="CpuModelRunner"/> on a random model: prefill of one prompt, and decode of several
/// sequences at once. Steps are what the engine would hand over; the scheduler is not in them, and the sampler where
/// that is asked for.
/// </summary>
internal sealed class ModelBenchmark : IDisposable
{
    private const int BlockSize = 16;
    private const int FewestRuns = 5;
    private const int MostRuns = 101;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(0.4);

    private readonly DecoderSpec _spec;
    private readonly ModelBenchmarkOptions _options;
    private readonly CpuModelRunner _runner;
    private readonly List<StepKind> _steps = [];
    private readonly List<SkippedStep> _skipped = [];
    private readonly float[] _logits;
    private readonly RowDrawing? _drawing;
    private readonly long _cacheBytesPerToken;

    /// <summary>Packs the model, and fills its cache.</summary>
    /// <param name="model">The model; stays open as long as this lives, and is not owned.</param>
    /// <param name="options">What is to be measured.</param>
    /// <param name="availableMemory">Bytes that all of it may take; what would take more is skipped.</param>
    /// <exception cref="EngineConfigurationException">The options cannot work on this machine.</exception>
    public ModelBenchmark(BenchedModel model, ModelBenchmarkOptions options, long availableMemory)
    {
        _options = options;
        int maxTokens = Math.Max(1, Math.Max(options.PromptTokens, options.Batches.DefaultIfEmpty().Max()));
        int maxLength = Math.Max(options.PromptTokens, options.Contexts.DefaultIfEmpty().Max() + 1);
        _spec = model.Describe(maxLength);
        var plan = new CpuPlan(_spec, model.Checkpoint, new PlanRequest
        {
            Weights = options.Weights,
            Head = options.Head,
            BlockInputs = options.BlockInputs,
            KvCache = options.KvCache,
            BlockSize = BlockSize,
            MaxModelLen = maxLength,
            MaxNumBatchedTokens = maxTokens,
            Threads = options.Threads,
        });
        if (plan.CacheGroups.Count > 1)
        {
            throw new EngineConfigurationException(
                $"{model.Subject} has layers with windows and layers without; steps of such models are not timed");
        }

        _cacheBytesPerToken = plan.BytesPerBlock / BlockSize;
        long taken = plan.WeightBytes + plan.ActivationBytes + ((long)maxTokens * _spec.VocabSize * sizeof(float));
        int blocks = ChooseSteps(plan.BytesPerBlock, availableMemory - taken);
        MemoryBytes = taken + (blocks * plan.BytesPerBlock);
        _logits = new float[(long)_steps.Select(s => s.Sequences).DefaultIfEmpty(1).Max() * _spec.VocabSize];
        _runner = new CpuModelRunner(plan, blocks);
        _drawing = options.Sampling is { } sampling
            ? new RowDrawing(_runner.Team, _spec.VocabSize, SamplingText.Parse(sampling))
            : null;
        FillCache();
    }

    /// <summary>What can be measured, in the order to do it in.</summary>
    public IReadOnlyList<StepKind> Steps => _steps;

    /// <summary>Bytes that it takes beside the checkpoint.</summary>
    public long MemoryBytes { get; }

    /// <summary>
    /// Combinations of <see cref="ModelBenchmarkOptions.Batches"/> and <see cref="ModelBenchmarkOptions.Contexts"/>
    /// that memory is too small for.
    /// </summary>
    public IReadOnlyList<SkippedStep> Skipped => _skipped;

    /// <summary>Bytes of the packed weights.</summary>
    public long WeightBytes => _runner.WeightBytes;

    /// <summary>The peak, in operations a second, of the instruction that does a scheme's arithmetic.</summary>
    public static double PeakFor(WeightScheme scheme, MachineCeilings ceilings)
    {
        return ceilings.Peak(KernelBenchmark.ArithmeticOf(LinearScheme.For(scheme, ProcessorFeatures.Selected)));
    }

    /// <inheritdoc/>
    public void Dispose() => _runner.Dispose();

    /// <summary>Times one kind of step.</summary>
    /// <param name="step">One of <see cref="Steps"/>.</param>
    /// <returns>The median of several runs.</returns>
    public StepMeasurement Measure(StepKind step)
    {
        (string phase, int sequences, int context, int tokensEach) = step;
        MachineLoad? before = MachineLoad.Read();
        double seconds = MedianSeconds(MakeBatch(sequences, context, tokensEach));
        Disturbance? disturbance = before is { } load ? MachineLoad.Read()?.Since(load) : null;
        long tokens = (long)sequences * tokensEach;
        // Pairs of query and key.
        long attended = sequences * ((long)tokensEach * (context + context + tokensEach + 1) / 2);
        long ofLayers = _spec.Layers.SelectMany(layer => layer.Linears).Sum(linear => linear.WeightCount);
        long matrices = 2 * ((tokens * ofLayers) + (sequences * _spec.Head.WeightCount));
        long attention = 4 * attended * _spec.Attentions.Sum(a => (long)a.QueryWidth);
        long cacheBytes = sequences * (long)(context + tokensEach) * _cacheBytesPerToken;
        return new StepMeasurement(
            phase, sequences, context, (int)tokens, seconds, _runner.WeightBytes, cacheBytes, matrices + attention)
        {
            Disturbance = disturbance,
        };
    }

    /// <summary>Runs one kind of step for so long, after warming up, and gives each run's time.</summary>
    public IReadOnlyList<TimedStep> Times(StepKind step, TimeSpan duration) =>
        Times(MakeBatch(step.Sequences, step.Context, step.TokensEach), duration, int.MaxValue);

    /// <summary>Runs one kind of step, not warmed up, until it is called off, and gives each run's time.</summary>
    public IReadOnlyList<TimedStep> TimesUntil(StepKind step, Func<bool> isDone)
    {
        StepBatch batch = MakeBatch(step.Sequences, step.Context, step.TokensEach);
        List<TimedStep> times = [];
        while (!isDone())
        {
            times.Add(TimeOne(batch));
        }

        return times;
    }

    private static int BlocksFor(int length) => (length + BlockSize - 1) / BlockSize;

    /// <summary>
    /// Sorts combinations into those that fit and those that do not; returns the blocks that the largest takes.
    /// </summary>
    private int ChooseSteps(long bytesPerBlock, long available)
    {
        int blocks = Math.Max(1, BlocksFor(_options.PromptTokens));
        if (_options.PromptTokens > 0)
        {
            _steps.Add(new StepKind("prefill", Sequences: 1, Context: 0, _options.PromptTokens));
        }

        foreach (int context in _options.Contexts)
        {
            foreach (int sequences in _options.Batches)
            {
                long wanted = (long)sequences * BlocksFor(context + 1);
                if (wanted * bytesPerBlock > available || wanted > int.MaxValue / BlockSize)
                {
                    _skipped.Add(new SkippedStep(sequences, context, wanted * bytesPerBlock));
                }
                else
                {
                    _steps.Add(new StepKind("decode", sequences, context, TokensEach: 1));
                    blocks = Math.Max(blocks, (int)wanted);
                }
            }
        }

        return blocks;
    }

    /// <summary>
    /// Writes random keys and values into every slot. Memory that nobody has written is one page of zeros, which would
    /// be read from the first-level cache, however long the context.
    /// </summary>
    private unsafe void FillCache()
    {
        KvCache cache = _runner.Cache;
        int layers = _spec.CachedAttentions.Count();
        int width = _spec.CachedAttentions.Max(attention => attention.KeyWidth);
        float[] noise = new float[width + 4096];
        var random = new Noise(seed: 2);
        for (int i = 0; i < noise.Length; i++)
        {
            noise[i] = random.Next();
        }

        Parallel.For(0, cache.NumBlocks, block =>
        {
            fixed (float* start = noise)
            {
                for (int layer = 0; layer < layers; layer++)
                {
                    for (int slot = block * BlockSize; slot < (block + 1) * BlockSize; slot++)
                    {
                        float* row = start + ((slot + layer) * 61 % 4096);
                        cache.Write(layer, slot, row, row);
                    }
                }
            }
        });
    }

    /// <summary>A step of several sequences, each with its blocks one behind another, as a prompt gets them.</summary>
    private StepBatch MakeBatch(int sequences, int context, int tokensEach)
    {
        var batch = new StepBatch(BlockSize);
        int[] table = new int[BlocksFor(context + tokensEach)];
        int[] tokens = new int[tokensEach];
        for (int s = 0; s < sequences; s++)
        {
            for (int i = 0; i < table.Length; i++)
            {
                table[i] = (s * table.Length) + i;
            }

            for (int i = 0; i < tokensEach; i++)
            {
                tokens[i] = (int)(((s * 613L) + (i * 7919L)) % _spec.VocabSize);
            }

            batch.AddSequence(tokens, context, table, numLogitsRows: 1);
        }

        return batch;
    }

    private double MedianSeconds(StepBatch batch)
    {
        double[] times = [.. Times(batch, _options.TimePerFigure, MostRuns).Select(t => t.Seconds).Order()];
        return times[times.Length / 2];
    }

    private List<TimedStep> Times(StepBatch batch, TimeSpan duration, int most)
    {
        long began = Stopwatch.GetTimestamp();
        do
        {
            Step(batch);
        }
        while (Stopwatch.GetElapsedTime(began) < WarmUp && duration > TimeSpan.Zero);

        List<TimedStep> times = [];
        began = Stopwatch.GetTimestamp();
        while (times.Count < FewestRuns || (times.Count < most && Stopwatch.GetElapsedTime(began) < duration))
        {
            times.Add(TimeOne(batch));
        }

        return times;
    }

    private TimedStep TimeOne(StepBatch batch)
    {
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        long started = Stopwatch.GetTimestamp();
        Step(batch);
        return new TimedStep(now, Stopwatch.GetElapsedTime(started).TotalSeconds);
    }

    private void Step(StepBatch batch)
    {
        Memory<float> logits = _logits.AsMemory(0, batch.NumSequences * _spec.VocabSize);
        _runner.Run(batch, logits.Span);
        _drawing?.Draw(logits);
    }
}
