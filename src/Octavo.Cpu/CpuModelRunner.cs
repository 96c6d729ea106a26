using Octavo.Cpu.Kernels;
using Octavo.Cpu.Linears;
using Octavo.Cpu.Sublayers;
using Octavo.Cpu.Threading;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Formats.Quantization;
using Octavo.Models;

namespace Octavo.Cpu;

/// <summary>
/// Runs a decoder on this processor. It interprets the <see cref="DecoderSpec"/>; every family takes the same path.
/// </summary>
/// <remarks>
/// A step is one piece of work for the team: each member runs <see cref="Forward.Run"/> and they meet at a barrier after
/// every phase. Rows (tokens) are split where work is by row, panels where it is by output feature, tiles in attention.
/// </remarks>
public sealed unsafe class CpuModelRunner : IModelRunner
{
    private readonly Stack<IDisposable> _made = [];    // disposed of in the order against
    private readonly WeightStore _weights;
    private readonly KvCache _cache;
    private readonly ThreadTeam _team;
    private readonly StepState _step;
    private readonly Forward _forward;
    private bool _disposed;

    /// <summary>Packs the weights and reserves the cache.</summary>
    /// <param name="spec">The decoder.</param>
    /// <param name="checkpoint">Its weights; stays open as long as the runner lives, and is not owned by it.</param>
    /// <param name="options">Layout and limits.</param>
    /// <param name="progress">Hears how far packing is.</param>
    /// <param name="cancellationToken">Stops packing.</param>
    /// <exception cref="EngineConfigurationException">The options do not fit the model or this machine.</exception>
    public CpuModelRunner(
        DecoderSpec spec,
        Checkpoint checkpoint,
        CpuRunnerOptions options,
        IProgress<LoadProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(options);
        Validate(spec, options);
        (VocabSize, Options) = (spec.VocabSize, options);
        InstructionSet = options.InstructionSet ?? ProcessorFeatures.Selected;
        try
        {
            AttentionSpec[] attentions = [.. spec.Attentions];
            KvScale[]? scales = options.KvCache == KvCacheFormat.Fp8 ? ScalesOf(attentions, checkpoint) : null;
            _cache = Own(new KvCache(attentions, options.KvCache, options.NumBlocks, options.BlockSize, scales));
            _team = Own(new ThreadTeam(options.Threads ?? Environment.ProcessorCount));
            _step = Own(new StepState(spec, _cache, _team, InstructionSet, options.MaxModelLen, options.MaxNumBatchedTokens));
            RotaryTables rotary = Own(new RotaryTables(options.MaxModelLen));
            var source = new CheckpointSource(checkpoint);
            var plan = new WeightPlan(spec, source, options.Weights, options.Head, InstructionSet);
            _weights = Own(new WeightStore(source, plan, InstructionSet, Report(checkpoint.TotalBytes, progress, cancellationToken)));
            _forward = new Forward(spec, _weights, rotary, _step);
            progress?.Report(new LoadProgress(checkpoint.TotalBytes, checkpoint.TotalBytes));
            if (_team.Nodes.Several)
            {
                foreach (Linear linear in _weights.Linears)
                {
                    linear.Place(_team.Nodes, _team.Count);
                }
            }
        }
        catch (Exception e)
        {
            Release();
            if (e is OutOfMemoryException)
            {
                throw new EngineConfigurationException(
                    "this machine has not enough memory for the weights and a key-value cache of "
                    + FormattableString.Invariant($"{options.NumBlocks * BytesPerBlock(spec, options.KvCache, options.BlockSize) / (double)(1 << 20):0.#} MiB: lower kv_cache_memory, max_model_len or max_num_seqs"));
            }

            throw;
        }

        T Own<T>(T part)
            where T : IDisposable
        {
            _made.Push(part);
            return part;
        }
    }

    /// <summary>The options it was made with.</summary>
    public CpuRunnerOptions Options { get; }

    /// <summary>The kernels it takes.</summary>
    public InstructionSet InstructionSet { get; }

    /// <summary>Threads that share the work.</summary>
    public int Threads => _team.Count;

    /// <summary>Bytes of the packed weights.</summary>
    public long WeightBytes => _weights.Bytes;

    /// <inheritdoc/>
    public int VocabSize { get; }

    /// <inheritdoc/>
    public int NumBlocks => _cache.NumBlocks;

    /// <inheritdoc/>
    public int BlockSize => _cache.BlockSize;

    /// <inheritdoc/>
    public int MaxNumBatchedTokens => Options.MaxNumBatchedTokens;

    /// <summary>The sublayers by layer, for going through a model layer by layer.</summary>
    internal IReadOnlyList<Sublayer[]> Layers => _forward.Layers;

    /// <summary>The key-value cache, for measuring.</summary>
    internal KvCache Cache => _cache;

    /// <summary>Bytes that one block of the cache takes over all layers.</summary>
    public static long BytesPerBlock(DecoderSpec spec, KvCacheFormat format, int blockSize) =>
        KvLayout.BytesPerBlock(spec.Attentions, format, blockSize);

    /// <summary>Bytes that the packed weights of a decoder take; a loaded runner's <see cref="WeightBytes"/>.</summary>
    /// <param name="spec">The decoder.</param>
    /// <param name="format">The format of what the checkpoint does not store quantized.</param>
    /// <param name="head">The format of the output head; null leaves it to the format's policy.</param>
    /// <param name="checkpoint">The checkpoint, where weights may be quantized in it already.</param>
    public static long WeightBytesFor(DecoderSpec spec, WeightFormat format, WeightFormat? head = null, Checkpoint? checkpoint = null) =>
        Plan(spec, format, head, checkpoint).Bytes;

    /// <summary>What loading would not do exactly as the checkpoint or the format asks, in words: groups that do not divide
    /// a matrix, stacked matrices of several schemes.</summary>
    /// <inheritdoc cref="WeightBytesFor"/>
    public static IReadOnlyList<string> NotesFor(DecoderSpec spec, WeightFormat format, WeightFormat? head = null, Checkpoint? checkpoint = null) =>
        Plan(spec, format, head, checkpoint).Notes;

    /// <summary>Bytes of the buffers that a step of so many tokens passes through.</summary>
    public static long ActivationBytesFor(DecoderSpec spec, int maxTokens) => StepState.BytesFor(spec, maxTokens);

    /// <inheritdoc/>
    public void Run(StepBatch batch, Span<float> logits)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (batch.NumTokens > Options.MaxNumBatchedTokens)
        {
            throw new ArgumentException($"{batch.NumTokens} tokens in a batch made for {Options.MaxNumBatchedTokens}", nameof(batch));
        }

        _step.Begin(batch);
        fixed (float* output = logits)
        {
            _forward.Begin(output);
            _team.Run(_forward);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        Release();
    }

    private static WeightPlan Plan(DecoderSpec spec, WeightFormat format, WeightFormat? head, Checkpoint? checkpoint) =>
        new(spec, checkpoint is null ? new UnreadSource() : new CheckpointSource(checkpoint), format, head, ProcessorFeatures.Selected);

    /// <summary>Turns bytes that were packed into progress, and stops where that is wanted.</summary>
    private static Action<long> Report(long total, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        long read = 0;
        return bytes =>
        {
            read += bytes;
            progress?.Report(new LoadProgress(Math.Min(read, total), total));
            cancellationToken.ThrowIfCancellationRequested();
        };
    }

    /// <summary>The scales of an E4M3 cache by layer: the checkpoint's, or ones.</summary>
    private static KvScale[] ScalesOf(IEnumerable<AttentionSpec> layers, Checkpoint checkpoint) => [.. layers.Select(layer =>
    {
        if (layer.CacheScales is null)
        {
            return KvScale.One;
        }

        (float key, float value) = KvCacheScales.Read(checkpoint, layer.CacheScales);
        return new KvScale(key, value);
    })];

    private void Release()
    {
        while (_made.TryPop(out IDisposable? part))
        {
            part.Dispose();
        }
    }

    private static void Validate(DecoderSpec spec, CpuRunnerOptions options)
    {
        Check(options.BlockSize >= KvCache.Lanes && options.BlockSize % KvCache.Lanes == 0 && options.BlockSize <= 1024, $"block size must be a multiple of {KvCache.Lanes} up to 1024; it is {options.BlockSize}");
        Check(options.NumBlocks >= 1, $"the key-value cache must hold at least one block; it holds {options.NumBlocks}");
        Check(options.Threads is null or (>= 1 and <= 1024), $"threads must be between 1 and 1024; it is {options.Threads}");
        Check(
            options.MaxModelLen <= spec.MaxPositionEmbeddings || spec.LearnedPositions is null,
            $"max_model_len {options.MaxModelLen} is more than the model's {spec.MaxPositionEmbeddings} learned positions");
    }

    // A message is the same in every culture.
    private static void Check(bool holds, FormattableString message)
    {
        if (!holds)
        {
            throw new EngineConfigurationException(FormattableString.Invariant(message));
        }
    }
}
