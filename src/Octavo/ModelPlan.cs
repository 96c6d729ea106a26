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
    private const double DefaultMemoryFraction = 0.8;

    private readonly PlanRequest _request;
    private readonly IModelPlan _plan;

    internal ModelPlan(Model model, EngineOptions options, Tokenizer? tokenizer, MachineMemory memory)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.RequireNoNulls();
        int maxNumBatchedTokens = options.MaxNumBatchedTokens ?? Math.Max(2048, options.MaxNumSeqs);
        int maxModelLen = options.MaxModelLen ?? model.Spec.MaxPositionEmbeddings;
        Validate(options, maxNumBatchedTokens, maxModelLen, model.Spec.MaxPositionEmbeddings);
        WeightScheme weights = ChooseWeights(model, options);
        _request = new PlanRequest
        {
            Weights = weights,
            Head = HeadScheme(options.QuantizeHead, weights, PlainScheme(model)),
            KvCache = ChooseCache(model, options, weights),
            BlockSize = options.BlockSize,
            MaxModelLen = maxModelLen,
            MaxNumBatchedTokens = maxNumBatchedTokens,
            Threads = options.Threads,
        };
        _plan = Backends.Default.Plan(model.Spec, model.Checkpoint, _request);
        long step = _plan.ActivationBytes + ((long)options.MaxNumSeqs * model.Spec.VocabSize * sizeof(float));
        long most = ChooseBlocks(options, memory, _plan.WeightBytes + step, maxModelLen, _plan.BytesPerBlock);
        long blocks = Math.Min(most, int.MaxValue / options.BlockSize);
        Info = new ModelInfo
        {
            Name = options.ServedModelName ?? model.Name,
            Path = model.Path,
            CheckpointHash = CheckpointFingerprint.Of(model.Checkpoint),
            Spec = model.Spec,
            EosTokenIds = [.. TokenizersEos(tokenizer, model.Spec).Union(model.Description.EosTokenIds.Where(id => id >= 0))],
            MaxModelLen = maxModelLen,
            MaxNumSeqs = options.MaxNumSeqs,
            MaxNumBatchedTokens = maxNumBatchedTokens,
            Weights = weights,
            KvCache = _request.KvCache,
            BlockSize = options.BlockSize,
            NumBlocks = (int)blocks,
            Head = _request.Head,
            StoredQuantization = model.Checkpoint.Quantization is { } stored ? $"{stored.Method}: {stored.Summary}" : null,
            Notes = [.. model.Description.Notes, .. model.Checkpoint.Quantization?.Notes ?? [], .. _plan.Notes],
            WeightBytes = _plan.WeightBytes,
            KvCacheBytes = blocks * _plan.BytesPerBlock,
            StepBytes = step,
            Memory = memory,
            MemoryFraction = options.KvCacheMemory is null ? options.MemoryFraction ?? DefaultMemoryFraction : null,
            Kernels = Backends.Default.Kernels,
            Threads = _plan.Threads,
            GenerationDefaults = options.GenerationConfig == GenerationConfigSource.Vllm ? new GenerationDefaults() : model.Generation,
        };
    }

    /// <summary>What it says.</summary>
    public ModelInfo Info { get; }

    /// <summary>How keys and values are stored where nobody says.</summary>
    public static KvCacheFormat DefaultKvCache(WeightScheme weights) =>
        weights == WeightScheme.Float32 ? KvCacheFormat.Float32 : KvCacheFormat.BFloat16;

    /// <summary>The scheme of a name, one of <see cref="WeightScheme.Names"/>.</summary>
    /// <exception cref="EngineConfigurationException">There is none of that name.</exception>
    public static WeightScheme SchemeNamed(string name) =>
        WeightScheme.TryGet(name, out WeightScheme? scheme)
            ? scheme
            : throw new EngineConfigurationException($"quantization \"{name}\" is not supported; supported: {string.Join(", ", WeightScheme.Names)}");

    /// <summary>Bytes that the weights would take in another scheme, were they not quantized already.</summary>
    public long WeightBytesIn(WeightScheme scheme) =>
        Backends.Default.Plan(Info.Spec, null, _request with { Weights = scheme, Head = null }).WeightBytes;

    /// <summary>Checks that there is the memory that it takes. Apart from making it, so that a plan can be looked at where it could not run.</summary>
    /// <exception cref="EngineConfigurationException">There is not; the message says what takes how much, and what to lower.</exception>
    public void RequireMemory() => RequireMemory(Info);

    /// <summary>Loads the weights and reserves the cache; the model stays open as long as the runner lives.</summary>
    /// <param name="progress">Hears how far loading is.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <exception cref="EngineConfigurationException">There is not the memory for it.</exception>
    public IModelRunner Load(IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        RequireMemory();
        return _plan.Load(Info.NumBlocks, progress, cancellationToken);
    }

    /// <summary>How a policy has the output head stored; null for what the layers' scheme brings along.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="weights">The layers' scheme.</param>
    /// <param name="stored">The scheme nearest to what the checkpoint stores.</param>
    public static WeightScheme? HeadScheme(HeadQuantization policy, WeightScheme weights, WeightScheme stored) => policy switch
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

        // The first of these that would be enough; nothing is, where the weights alone are too large.
        string remedy = plan.WeightBytes + activations < available && plan.KvCacheBytes >= activations ? "lower kv_cache_memory, or max_model_len and max_num_seqs"
            : plan.WeightBytes + plan.KvCacheBytes < available ? "lower max_num_batched_tokens (and max_num_seqs, its least value)"
            : plan.WeightBytes < available ? "lower kv_cache_memory, max_num_batched_tokens and max_num_seqs"
            : plan.Weights == WeightScheme.Float32 ? "the weights alone are too large; dtype bfloat16 halves them"
            : "the weights alone are too large for this machine";
        throw new EngineConfigurationException(
            $"{ByteText.Of(total)} of memory are needed ({ByteText.Of(plan.WeightBytes)} for weights, {ByteText.Of(plan.KvCacheBytes)} for the key-value cache, "
            + $"{ByteText.Of(activations)} for a step of {plan.MaxNumBatchedTokens} tokens), and {ByteText.Of(available)} are free ({plan.Memory.Source}): {remedy}");
    }

    // First, as transformers and vLLM have it. One beyond the model's vocabulary can never be drawn.
    private static IEnumerable<int> TokenizersEos(Tokenizer? tokenizer, DecoderSpec spec) =>
        tokenizer?.EosTokenId is { } id && id < spec.VocabSize ? [id] : [];

    private static void Validate(EngineOptions options, int maxNumBatchedTokens, int maxModelLen, int positions)
    {
        Check(options.BlockSize is >= 16 and <= 1024 && options.BlockSize % 16 == 0, $"block_size must be a multiple of 16 up to 1024; it is {options.BlockSize}");
        Check(options.MaxNumSeqs >= 1, $"max_num_seqs must be at least 1; it is {options.MaxNumSeqs}");
        Check(
            maxNumBatchedTokens >= options.MaxNumSeqs,
            $"max_num_batched_tokens ({maxNumBatchedTokens}) must be at least max_num_seqs ({options.MaxNumSeqs}), so that every running request gets a token a step");
        Check(options.Threads is null or (>= 1 and <= 1024), $"threads must be between 1 and 1024; it is {options.Threads}");
        Check(options.KvCacheWatermark is >= 0 and < 1, $"the cache watermark must be at least 0 and below 1; it is {options.KvCacheWatermark}");
        Check(options.MaxLogprobs >= -1, $"max_logprobs must be -1 (no limit), or 0 or more; it is {options.MaxLogprobs}");
        Check(maxModelLen >= 2, $"max_model_len must be at least 2; it is {maxModelLen}");
        Check(
            maxModelLen <= positions,
            $"max_model_len {maxModelLen} is more than the {positions} positions the model was made for (max_position_embeddings)");
    }

    private static WeightScheme ChooseWeights(Model model, EngineOptions options)
    {
        QuantizationConfig? stored = model.Checkpoint.Quantization;
        Check(
            options.Quantization is null || stored is null,
            $"quantization {options.Quantization} does not go with a checkpoint that is quantized already ({stored?.Method}: {stored?.Summary}); it loads as it is, without that option");
        WeightScheme? asked = options.Quantization is null ? null : SchemeNamed(options.Quantization);
        WeightScheme? dtype = options.Dtype switch
        {
            ModelDtype.Auto => null,
            ModelDtype.Float32 => WeightScheme.Float32,
            ModelDtype.BFloat16 => WeightScheme.BFloat16,
        };
        Check(asked is null || dtype is null || asked == dtype, $"quantization {options.Quantization} and dtype {options.Dtype.ToString().ToLowerInvariant()} contradict each other");
        return asked ?? dtype ?? PlainScheme(model);
    }

    private static KvCacheFormat ChooseCache(Model model, EngineOptions options, WeightScheme weights) => options.KvCacheDtype switch
    {
        KvCacheDtype.Float32 => KvCacheFormat.Float32,
        KvCacheDtype.BFloat16 => KvCacheFormat.BFloat16,
        KvCacheDtype.Int8 => KvCacheFormat.Int8,
        KvCacheDtype.Fp8 => KvCacheFormat.Fp8,
        KvCacheDtype.Auto => model.Checkpoint.Quantization?.CachesFloat8 == true ? KvCacheFormat.Fp8 : DefaultKvCache(weights),
    };

    /// <summary>The scheme nearest to what the checkpoint stores.</summary>
    private static WeightScheme PlainScheme(Model model) =>
        model.Description.StoredType == TensorType.BFloat16 ? WeightScheme.BFloat16 : WeightScheme.Float32;

    /// <summary>The size of the cache's pool, in blocks: what was asked for, or what the rest leaves of the memory that is free.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="memory">What there is.</param>
    /// <param name="rest">Bytes of weights and step.</param>
    /// <param name="maxModelLen">The longest sequence, which must fit.</param>
    /// <param name="bytesPerBlock">Bytes of a block.</param>
    private static long ChooseBlocks(EngineOptions options, MachineMemory memory, long rest, int maxModelLen, long bytesPerBlock)
    {
        Check(
            options.KvCacheMemory is null || options.MemoryFraction is null,
            $"kv_cache_memory and memory_fraction do not go together: the one says how much the cache has, the other leaves it what is left");
        int blocksPerSequence = (maxModelLen + options.BlockSize - 1) / options.BlockSize;
        long needed = blocksPerSequence * bytesPerBlock;
        if (options.KvCacheMemory is { } asked)
        {
            long blocks = asked / bytesPerBlock;
            Check(
                blocks >= blocksPerSequence,
                $"a key-value cache of {ByteText.Of(asked)} holds {blocks * options.BlockSize} tokens, less than one request of max_model_len {maxModelLen}, which needs {ByteText.Of(needed)}: raise kv_cache_memory{OrShorter(blocks)}");
            return blocks;
        }

        double fraction = options.MemoryFraction ?? DefaultMemoryFraction;
        Check(fraction is > 0 and <= 1, $"memory_fraction must be above 0 and at most 1; it is {fraction}");
        long left = (long)(fraction * memory.Free) - rest;
        long fitting = Math.Max(0, left / bytesPerBlock);
        // Advice is about what somebody set, or can.
        string raise = options.MemoryFraction is null ? "make memory free" : "raise memory_fraction";
        string lower = options.MaxNumBatchedTokens is null ? string.Empty : ", or lower max_num_batched_tokens";
        string share = options.MemoryFraction is null ? $"{DefaultMemoryFraction * 100:0}%" : $"memory_fraction {fraction.ToString(CultureInfo.InvariantCulture)}";
        Check(
            fitting >= blocksPerSequence,
            $"{share} of the {ByteText.Of(memory.Free)} that are free ({memory.Source}) leaves {ByteText.Of(Math.Max(0, left))} for the key-value cache beside {ByteText.Of(rest)} for weights and step: {fitting * options.BlockSize} tokens, less than one request of max_model_len {maxModelLen}, which needs {ByteText.Of(needed)}: {raise}{lower}{OrShorter(fitting)}");

        // More than all requests at their longest could never be used.
        return (long)Int128.Min((Int128)options.MaxNumSeqs * blocksPerSequence, fitting);

        string OrShorter(long blocks) => blocks > 0 ? $", or set max_model_len to {blocks * options.BlockSize} or less" : string.Empty;
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
