using Octavo.Cpu.Cache;
using Octavo.Cpu.Panels;
using Octavo.Cpu.Sublayers;
using Octavo.Cpu.Threading;
using Octavo.Cpu.Weights;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Formats.Stored;
using Octavo.Models;

namespace Octavo.Cpu;

/// <summary>How this processor will load a model.</summary>
internal sealed class CpuPlan : IModelPlan
{
    private readonly string? _copyPath;

    /// <summary>Plans a model.</summary>
    /// <param name="spec">The model.</param>
    /// <param name="checkpoint">Its weights; null plans unquantized ones that need not exist.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="isa">The kernels to take; null takes the widest that OCTAVO_ISA and this processor allow.</param>
    /// <exception cref="EngineConfigurationException">The request does not fit the model.</exception>
    public CpuPlan(DecoderSpec spec, Checkpoint? checkpoint, PlanRequest request, InstructionSet? isa = null)
    {
        Validate(spec, request);
        (Spec, Checkpoint, Request, InstructionSet) = (spec, checkpoint, request, isa ?? ProcessorFeatures.Selected);
        Source = checkpoint is null
            ? new UnreadSource()
            : new CheckpointSource(checkpoint, request.BlockInputs == StoredActivations.Plain
                ? InputCode.Float32
                : InputCode.Int8);
        Weights = new WeightPlan(spec, Source, request.Weights, request.Head, InstructionSet);
        _copyPath = checkpoint is null ? null : PackedCopy.PathFor(checkpoint, request.Weights, InstructionSet);
        using PackedCopy? copy = OpenCopy(out string? refusal);
        Notes = refusal is null ? Weights.Notes : [.. Weights.Notes, refusal];
    }

    public DecoderSpec Spec { get; }

    public Checkpoint? Checkpoint { get; }

    public PlanRequest Request { get; }

    public InstructionSet InstructionSet { get; }

    /// <summary>Where the weights come from.</summary>
    public IWeightSource Source { get; }

    /// <summary>How linear layers are stored.</summary>
    public WeightPlan Weights { get; }

    /// <inheritdoc/>
    public long WeightBytes => Weights.Bytes;

    /// <inheritdoc/>
    public IReadOnlyList<CacheGroup> CacheGroups => CacheGroup.Of(Spec.CachedAttentions);

    /// <inheritdoc/>
    public long BytesPerBlock => KvCache.BytesPerBlock([.. Spec.CachedAttentions], Request.KvCache, Request.BlockSize);

    /// <inheritdoc/>
    public long CacheBytesPerToken => KvLayout.BytesPerToken(Spec.CachedAttentions, Request.KvCache);

    /// <inheritdoc/>
    public long ActivationBytes => StepState.BytesFor(Spec, Request.MaxNumBatchedTokens);

    /// <inheritdoc/>
    public int Threads => Request.Threads ?? TeamSize.Default;

    /// <inheritdoc/>
    public IReadOnlyList<string> Notes { get; }

    /// <inheritdoc/>
    public IModelRunner Load(
        int numBlocks, IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default) =>
        new CpuModelRunner(this, numBlocks, progress, cancellationToken);

    /// <inheritdoc/>
    public (string Path, long Bytes) Pack(
        IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        string path = _copyPath
            ?? throw new EngineConfigurationException($"the weights are in no file beside which a copy could lie");
        long bytes = PackedCopy.Write(
            path, Weights, PackedCopy.KeyOf(Checkpoint!, Weights, InstructionSet), InstructionSet,
            LoadProgress.Count(Checkpoint!.TotalBytes, progress, cancellationToken));
        return (path, bytes);
    }

    /// <summary>Opens the packed copy of these weights beside them; null where there is none that fits.</summary>
    public PackedCopy? OpenCopy() => OpenCopy(out _);

    private PackedCopy? OpenCopy(out string? refusal)
    {
        refusal = null;
        return _copyPath is null || !File.Exists(_copyPath)
            ? null
            : PackedCopy.TryOpen(
                _copyPath, Weights, PackedCopy.KeyOf(Checkpoint!, Weights, InstructionSet), out refusal);
    }

    private static void Validate(DecoderSpec spec, PlanRequest request)
    {
        List<ParameterFault> faults = [];
        PlanRequest.CheckBlockSize(faults, request.BlockSize);
        PlanRequest.CheckThreads(faults, request.Threads);
        faults.Check(
            request.MaxModelLen <= spec.MaxPositionEmbeddings || spec.LearnedPositions is null,
            nameof(request.MaxModelLen),
            $"must be at most the model's {spec.MaxPositionEmbeddings} learned positions",
            request.MaxModelLen);
        faults.ThrowIfAny();
    }
}
