using System.Globalization;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Formats.Stored;
using Octavo.Models;
using Octavo.Text;

namespace Octavo;

/// <summary>How a model will be laid out and run, decided from it and the options before anything is loaded.</summary>
public sealed class ModelPlan
{
    private const string Positions = "max_position_embeddings";

    private static readonly ParameterName MaxModelLen = new(nameof(ModelOptions.MaxModelLen));
    private static readonly ParameterName Dtype = new(nameof(ModelOptions.Dtype));
    private static readonly ParameterName Quantization = new(nameof(ModelOptions.Quantization));
    private static readonly ParameterName KvCacheMemory = new(nameof(MemoryOptions.KvCacheMemory));
    private static readonly ParameterName MemoryFraction = new(nameof(MemoryOptions.MemoryFraction));
    private static readonly ParameterName MaxNumSeqs = new(nameof(SchedulingOptions.MaxNumSeqs));
    private static readonly ParameterName MaxNumBatchedTokens = new(nameof(SchedulingOptions.MaxNumBatchedTokens));

    private readonly PlanRequest _request;
    private readonly IModelPlan _plan;

    internal ModelPlan(Model model, EngineOptions options, Tokenizer? tokenizer, MachineMemory memory)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        int positions = model.Spec.LongestModelLen;
        int maxModelLen = options.Model.MaxModelLen ?? model.Spec.DefaultMaxModelLen;
        Require(
            maxModelLen <= positions,
            $"{MaxModelLen} {maxModelLen} is more than the {positions} positions the model was made for ({Positions})");
        WeightScheme weights = ChooseWeights(model, options.Model);

        // GGUF's blocks say nothing of activations; eight bits is what they are made for.
        bool hasBlocks = model.Checkpoint.Tensors.Values.Any(tensor => tensor.Type.HasBlocks());
        StoredActivations blockInputs = hasBlocks && options.Model.Dtype != ModelDtype.Float32
            ? StoredActivations.Int8
            : StoredActivations.Plain;
        _request = new PlanRequest
        {
            Weights = weights,
            Head = HeadScheme(options.Model.QuantizeHead, weights, PlainScheme(model)),
            KvCache = ChooseCache(model, options.Memory, weights, blockInputs),
            BlockInputs = blockInputs,
            BlockSize = options.Memory.BlockSize,
            MaxModelLen = maxModelLen,
            MaxNumBatchedTokens = options.Scheduling.StepTokens,
            Threads = options.Model.Threads,
        };
        _plan = Backends.Default.Plan(model.Spec, model.Checkpoint, _request);
        long step =
            _plan.ActivationBytes + ((long)options.Scheduling.MaxNumSeqs * model.Spec.VocabSize * sizeof(float));
        // The blocks of a model that keeps nothing in them take nothing, and there are as many as requests can fill.
        long most = ChooseBlocks(options, memory, _plan.WeightBytes + step);
        long blocks = Math.Min(most, int.MaxValue / options.Memory.BlockSize);
        Info = new ModelInfo(model.Spec)
        {
            Name = options.Model.ServedModelName ?? model.Name,
            Path = model.Path,
            CheckpointHash = CheckpointFingerprint.Of(model.Checkpoint),
            EosTokenIds =
                [.. TokenizersEos(tokenizer, model.Spec).Union(model.Description.EosTokenIds.Where(id => id >= 0))],
            MaxModelLen = maxModelLen,
            MaxNumSeqs = options.Scheduling.MaxNumSeqs,
            MaxNumBatchedTokens = options.Scheduling.StepTokens,
            Weights = weights,
            KvCache = _request.KvCache,
            BlockSize = options.Memory.BlockSize,
            NumBlocks = (int)blocks,
            CacheGroups = _plan.CacheGroups,
            CacheBytesPerToken = _plan.CacheBytesPerToken,
            Head = _request.Head,
            StoredQuantization = blockInputs == StoredActivations.Plain
                ? model.Checkpoint.StoredQuantization
                : model.Checkpoint.StoredQuantization + "; int8 activations",
            Notes = [.. model.Description.Notes, .. model.Checkpoint.Quantization?.Notes ?? [], .. _plan.Notes],
            WeightBytes = _plan.WeightBytes,
            KvCacheBytes = blocks * _plan.BytesPerBlock,
            StepBytes = step,
            Memory = memory,
            MemoryFraction = options.Memory.KvCacheMemory is null
                ? options.Memory.MemoryFraction ?? MemoryOptions.DefaultMemoryFraction
                : null,
            Kernels = Backends.Default.Kernels,
            Threads = _plan.Threads,
            GenerationDefaults = options.Model.GenerationConfig == GenerationConfigSource.Vllm
                ? new GenerationDefaults()
                : model.Generation,
        };
    }

    /// <summary>What it says.</summary>
    public ModelInfo Info { get; }

    /// <summary>How keys and values are stored where nobody says.</summary>
    public static KvCacheFormat DefaultKvCache(WeightScheme weights) =>
        weights == WeightScheme.Float32 ? KvCacheFormat.Float32 : KvCacheFormat.BFloat16;

    /// <summary>The scheme of a name, one of <see cref="WeightScheme.Names"/>.</summary>
    /// <exception cref="EngineConfigurationException">There is none of that name.</exception>
    public static WeightScheme SchemeNamed(string name)
    {
        List<ParameterFault> faults = [];
        ModelOptions.CheckScheme(faults, name, out WeightScheme? scheme);
        faults.ThrowIfAny();
        return scheme!;
    }

    /// <summary>Bytes that the weights would take in another scheme, were they not quantized already.</summary>
    public long WeightBytesIn(WeightScheme scheme) =>
        Backends.Default.Plan(Info.Spec, null, _request with { Weights = scheme, Head = null }).WeightBytes;

    /// <summary>
    /// Checks that there is the memory that it takes. Apart from making it, so that a plan can be looked at where it
    /// could not run.
    /// </summary>
    /// <exception cref="EngineConfigurationException">
    /// There is not; the message says what takes how much, and what to lower.
    /// </exception>
    public void RequireMemory() => RequireMemory(Info);

    /// <summary>Loads the weights and reserves the cache; the model stays open as long as the runner lives.</summary>
    /// <param name="progress">Hears how far loading is.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <exception cref="EngineConfigurationException">There is not the memory for it.</exception>
    internal IModelRunner Load(IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        RequireMemory();
        return _plan.Load(Info.NumBlocks, progress, cancellationToken);
    }

    /// <summary>
    /// Writes the packed weights into a file beside the checkpoint, from which every later <see cref="Load"/> of the
    /// same options takes them.
    /// </summary>
    /// <param name="progress">Hears how far it is.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The file and its size.</returns>
    internal (string Path, long Bytes) Pack(
        IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default) =>
        _plan.Pack(progress, cancellationToken);

    /// <summary>How a policy has the output head stored; null for what the layers' scheme brings along.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="weights">The layers' scheme.</param>
    /// <param name="stored">The scheme nearest to what the checkpoint stores.</param>
    public static WeightScheme? HeadScheme(
        HeadQuantization policy, WeightScheme weights, WeightScheme stored) => policy switch
        {
            HeadQuantization.Never => weights.IsQuantized ? stored : null,
            HeadQuantization.Always => weights,
            HeadQuantization.Auto => null,
        };

    internal static void RequireMemory(ModelInfo plan)
    {
        (long available, long activations) = (plan.Memory.Free, plan.StepBytes);
        long total = plan.WeightBytes + plan.KvCacheBytes + activations;
        if (total <= available)
        {
            return;
        }

        string needs =
            $"{ByteText.Of(plan.WeightBytes)} for weights, {ByteText.Of(plan.KvCacheBytes)} for the key-value cache, "
            + $"{ByteText.Of(activations)} for a step of {plan.MaxNumBatchedTokens} tokens";
        string free = $"{ByteText.Of(available)} are free ({plan.Memory.Source})";
        throw new EngineConfigurationException(
            $"{ByteText.Of(total)} of memory are needed ({needs}), and {free}: {Remedy(plan, available)}");
    }

    // The first of these that would be enough; nothing is, where the weights alone are too large.
    private static FormattableString Remedy(ModelInfo plan, long available) =>
        plan.WeightBytes + plan.StepBytes < available && plan.KvCacheBytes >= plan.StepBytes
            ? Words($"lower {KvCacheMemory}, or {MaxModelLen} and {MaxNumSeqs}")
        : plan.WeightBytes + plan.KvCacheBytes < available
            ? Words($"lower {MaxNumBatchedTokens} (and {MaxNumSeqs}, its least value)")
        : plan.WeightBytes < available ? Words($"lower {KvCacheMemory}, {MaxNumBatchedTokens} and {MaxNumSeqs}")
        : plan.Weights == WeightScheme.Float32
            ? Words($"the weights alone are too large; {Dtype} bfloat16 halves them")
            : Words($"the weights alone are too large for this machine");

    // First, as transformers and vLLM have it. One beyond the model's vocabulary can never be drawn.
    private static IEnumerable<int> TokenizersEos(Tokenizer? tokenizer, DecoderSpec spec) =>
        tokenizer?.EosTokenId is { } id && id < spec.VocabSize ? [id] : [];

    private static WeightScheme ChooseWeights(Model model, ModelOptions options)
    {
        string? stored = model.Checkpoint.StoredQuantization;
        string already = $"a checkpoint that is quantized already ({stored}); it loads as it is";
        Require(
            options.Quantization is null || stored is null,
            $"{Quantization} {options.Quantization} does not go with {already}, without that option");
        WeightScheme? asked = options.Quantization is null ? null : SchemeNamed(options.Quantization);
        WeightScheme? dtype = options.Dtype switch
        {
            ModelDtype.Auto => null,
            ModelDtype.Float32 => WeightScheme.Float32,
            ModelDtype.BFloat16 => WeightScheme.BFloat16,
        };
        string written = options.Dtype.ToString().ToLowerInvariant();
        Require(
            asked is null || dtype is null || asked == dtype,
            $"{Quantization} {options.Quantization} and {Dtype} {written} contradict each other");
        return asked ?? dtype ?? PlainScheme(model);
    }

    private static KvCacheFormat ChooseCache(
        Model model, MemoryOptions options, WeightScheme weights, StoredActivations blockInputs) =>
        options.KvCacheDtype switch
        {
            KvCacheDtype.Float32 => KvCacheFormat.Float32,
            KvCacheDtype.BFloat16 => KvCacheFormat.BFloat16,
            KvCacheDtype.Int8 => KvCacheFormat.Int8,
            KvCacheDtype.Fp8 => KvCacheFormat.Fp8,
            KvCacheDtype.Auto when model.Checkpoint.Quantization?.CachesFloat8 == true => KvCacheFormat.Fp8,
            KvCacheDtype.Auto when blockInputs != StoredActivations.Plain => KvCacheFormat.BFloat16,
            KvCacheDtype.Auto => DefaultKvCache(weights),
        };

    /// <summary>The scheme nearest to what the checkpoint stores.</summary>
    private static WeightScheme PlainScheme(Model model) =>
        model.Description.StoredType == TensorType.BFloat16 ? WeightScheme.BFloat16 : WeightScheme.Float32;

    /// <summary>
    /// The size of the cache's pool, in blocks: what was asked for, or what the rest leaves of the memory that is free.
    /// </summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="memory">What there is.</param>
    /// <param name="rest">Bytes of weights and step.</param>
    private long ChooseBlocks(EngineOptions options, MachineMemory memory, long rest)
    {
        (MemoryOptions asked, int blockSize, int chunk) =
            (options.Memory, options.Memory.BlockSize, _request.MaxNumBatchedTokens);
        (IReadOnlyList<CacheGroup> groups, int maxModelLen) = (_plan.CacheGroups, _request.MaxModelLen);
        long bytesPerBlock = Math.Max(1, _plan.BytesPerBlock);
        long blocksPerSequence = groups.MostBlocks(maxModelLen, blockSize, chunk);
        string needed = ByteText.Of(blocksPerSequence * bytesPerBlock);
        FormattableString tooFew = $"less than one request of {MaxModelLen} {maxModelLen}, which needs {needed}";
        if (asked.KvCacheMemory is { } bytes)
        {
            long blocks = bytes / bytesPerBlock;
            FormattableString held = $"a key-value cache of {ByteText.Of(bytes)} holds {Longest(blocks)} tokens";
            Require(blocks >= blocksPerSequence, $"{held}, {tooFew}: raise {KvCacheMemory}{OrShorter(blocks)}");
            return blocks;
        }

        // Advice is about what somebody set, or can.
        double fraction = asked.MemoryFraction ?? MemoryOptions.DefaultMemoryFraction;
        long left = (long)(fraction * memory.Free) - rest;
        long fitting = Math.Max(0, left / bytesPerBlock);
        FormattableString share = asked.MemoryFraction is null
            ? Words($"{fraction * 100:0}%")
            : Words($"{MemoryFraction} {fraction}");
        FormattableString raise =
            asked.MemoryFraction is null ? Words($"make memory free") : Words($"raise {MemoryFraction}");
        FormattableString lower = options.Scheduling.MaxNumBatchedTokens is null
            ? Words($"")
            : Words($", or lower {MaxNumBatchedTokens}");
        FormattableString free = $"{share} of the {ByteText.Of(memory.Free)} that are free ({memory.Source})";
        string beside =
            $"{ByteText.Of(Math.Max(0, left))} for the key-value cache beside {ByteText.Of(rest)} for weights and step";
        Require(
            fitting >= blocksPerSequence,
            $"{free} leaves {beside}: {Longest(fitting)} tokens, {tooFew}: {raise}{lower}{OrShorter(fitting)}");

        // More than all requests at their longest could never be used.
        return (long)Int128.Min((Int128)options.Scheduling.MaxNumSeqs * blocksPerSequence, fitting);

        FormattableString OrShorter(long blocks) =>
            Longest(blocks) > 0 ? Words($", or set {MaxModelLen} to {Longest(blocks)} or less") : Words($"");

        int Longest(long blocks) => groups.LongestIn(blocks, blockSize, maxModelLen, chunk);
    }

    // What both branches of a conditional expression need, lest the compiler make strings of them.
    private static FormattableString Words(FormattableString words) => words;

    private static void Require(bool holds, FormattableString otherwise)
    {
        if (!holds)
        {
            throw new EngineConfigurationException(otherwise);
        }
    }
}
