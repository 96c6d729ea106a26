using System.Globalization;
using Octavo.Cpu.Cache;
using Octavo.Cpu.Linears;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Sublayers;
using Octavo.Cpu.Threading;
using Octavo.Cpu.Weights;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Formats.Stored;
using Octavo.Models;

namespace Octavo.Cpu;

/// <summary>
/// Runs a decoder on this processor. It interprets the <see cref="DecoderSpec"/>; every family takes the same path.
/// </summary>
/// <remarks>
/// A step is one piece of work for the team: each member runs <see cref="Forward.Run"/>, phase by phase. Its items are
/// rows (tokens) where work is by row, panels where it is by output feature, tiles in attention.
/// </remarks>
internal sealed unsafe class CpuModelRunner : IModelRunner
{
    private readonly DisposableStack _owned = new();
    private readonly WeightStore _weights;
    private readonly KvCache _cache;
    private readonly ThreadTeam _team;
    private readonly StepState _step;
    private readonly Forward _forward;
    private bool _disposed;

    /// <summary>Packs the weights and reserves the cache.</summary>
    /// <param name="plan">How; its checkpoint stays open as long as the runner lives.</param>
    /// <param name="numBlocks">Blocks of the cache.</param>
    /// <param name="progress">Hears how far packing is.</param>
    /// <param name="cancellationToken">Stops packing.</param>
    /// <exception cref="EngineConfigurationException">There is not the memory for it.</exception>
    public CpuModelRunner(
        CpuPlan plan, int numBlocks, IProgress<LoadProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        Checkpoint checkpoint = plan.Checkpoint
            ?? throw new ArgumentException("a plan without a checkpoint cannot be loaded", nameof(plan));
        if (numBlocks < 1)
        {
            throw new EngineConfigurationException(
                $"the key-value cache must hold at least one block; it holds {numBlocks}");
        }

        Plan = plan;
        (DecoderSpec spec, PlanRequest request) = (plan.Spec, plan.Request);
        try
        {
            AttentionSpec[] attentions = [.. spec.CachedAttentions];
            KvScale[]? scales = request.KvCache == KvCacheFormat.Fp8 ? ScalesOf(attentions, checkpoint) : null;
            _cache = _owned.Add(new KvCache(attentions, request.KvCache, numBlocks, request.BlockSize, scales));
            _team = _owned.Add(ThreadTeam.Lease(plan.Threads)).Team;
            Team = new WorkTeam(_team);
            _step = _owned.Add(
                new StepState(spec, _cache, _team, InstructionSet, request.MaxModelLen, request.MaxNumBatchedTokens));
            PackedCopy? copy = plan.OpenCopy();
            if (copy is not null)
            {
                _owned.Add(copy);
            }

            _weights = _owned.Add(new WeightStore(
                plan.Source, plan.Weights, InstructionSet,
                LoadProgress.Count(checkpoint.TotalBytes, progress, cancellationToken), copy));
            _forward = new Forward(spec, _weights, _step);
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
            _owned.Dispose();
            if (e is OutOfMemoryException)
            {
                FormattableString size = $"{numBlocks * plan.BytesPerBlock / (double)(1 << 20):0.#} MiB";
                throw new EngineConfigurationException(
                    $"this machine has not enough memory for the weights and a key-value cache of {size}: lower that");
            }

            throw;
        }
    }

    /// <summary>What it was made by.</summary>
    public CpuPlan Plan { get; }

    /// <summary>The kernels it takes.</summary>
    public InstructionSet InstructionSet => Plan.InstructionSet;

    /// <summary>Bytes of the packed weights.</summary>
    public long WeightBytes => _weights.Bytes;

    /// <inheritdoc/>
    public int VocabSize => Plan.Spec.VocabSize;

    /// <inheritdoc/>
    public IWorkTeam Team { get; }

    /// <inheritdoc/>
    public IReadOnlyList<CacheGroup> CacheGroups => _cache.CacheGroups;

    /// <inheritdoc/>
    public int NumBlocks => _cache.NumBlocks;

    /// <inheritdoc/>
    public int BlockSize => _cache.BlockSize;

    /// <inheritdoc/>
    public int MaxNumBatchedTokens => Plan.Request.MaxNumBatchedTokens;

    /// <inheritdoc/>
    public StepWork Work => new()
    {
        WeightBytes = WeightBytes,
        LayerWeights = Plan.Spec.Linears.Where(l => l.Role != LinearRole.OutputHead).Sum(l => l.WeightCount),
        HeadWeights = Plan.Spec.Head.WeightCount,
        KvBytesPerToken = Plan.CacheBytesPerToken,
        WorkPerPair = Plan.Spec.Attentions.Sum(a => 2L * a.NumHeads * a.HeadDim),
    };

    /// <summary>The sublayers by layer, for going through a model layer by layer.</summary>
    internal IReadOnlyList<Sublayer[]> Layers => _forward.Layers;

    /// <summary>The key-value cache, for measuring.</summary>
    internal KvCache Cache => _cache;

    /// <inheritdoc/>
    public void Run(StepBatch batch, Span<float> logits)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (batch.NumTokens > Plan.Request.MaxNumBatchedTokens)
        {
            throw new ArgumentException(
                $"{batch.NumTokens} tokens in a batch made for {Plan.Request.MaxNumBatchedTokens}", nameof(batch));
        }

        _step.Begin(batch);
        fixed (float* output = logits)
        {
            _forward.Begin(output);
            _team.Run(_forward, leavesStragglers: true);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _team.Settle();
        _owned.Dispose();
    }

    /// <summary>The scales of an E4M3 cache by layer: the checkpoint's, or ones.</summary>
    private static KvScale[] ScalesOf(IEnumerable<AttentionSpec> layers, Checkpoint checkpoint) =>
        [.. layers.Select(layer =>
        {
            if (layer.CacheScales is null)
            {
                return KvScale.One;
            }

            (float key, float value) = KvCacheScales.Read(checkpoint, layer.CacheScales);
            return new KvScale(key, value);
        })];
}
