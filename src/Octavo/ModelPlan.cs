using Octavo.Cpu;
using Octavo.Cpu.Kernels;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo;

/// <summary>Decides from a model and options how it will be laid out, before anything is loaded.</summary>
public static class ModelPlan
{
    private const long DefaultKvCacheLimit = 4L << 30;

    private static readonly OrderedDictionary<string, WeightFormat> Schemes = new()
    {
        ["float32"] = WeightFormat.Float32,
        ["bf16"] = WeightFormat.BFloat16,
        ["fp16"] = WeightFormat.Float16,
        ["fp8"] = WeightFormat.Float8,
        ["int8"] = WeightFormat.Int8,
        ["int8-channel"] = WeightFormat.Int8Channel,
        ["int8-weight"] = WeightFormat.Int8Weight,
        ["int4"] = WeightFormat.Int4,
        ["int4-weight"] = WeightFormat.Int4Weight,
    };

    /// <summary>The names that <see cref="EngineOptions.Quantization"/> takes.</summary>
    public static IReadOnlyList<string> QuantizationSchemes { get; } = [.. Schemes.Keys];

    /// <summary>The name of a format, as <see cref="EngineOptions.Quantization"/> takes it.</summary>
    public static string SchemeName(WeightFormat format) => Schemes.First(s => s.Value == format).Key;

    /// <summary>The format that a scheme's name stands for.</summary>
    /// <exception cref="EngineConfigurationException">There is none of that name.</exception>
    public static WeightFormat SchemeNamed(string name) =>
        Schemes.TryGetValue(name?.ToLowerInvariant() ?? string.Empty, out WeightFormat format)
            ? format
            : throw new EngineConfigurationException($"quantization \"{name}\" is not supported; supported: {string.Join(", ", QuantizationSchemes)}");

    /// <summary>How keys and values are stored where nobody says.</summary>
    public static KvCacheFormat DefaultKvCache(WeightFormat weights) =>
        weights == WeightFormat.Float32 ? KvCacheFormat.Float32 : KvCacheFormat.BFloat16;

    /// <summary>Plans a model.</summary>
    /// <param name="directory">Its directory.</param>
    /// <param name="description">What it is.</param>
    /// <param name="checkpoint">Its tensors.</param>
    /// <param name="options">What was asked for.</param>
    /// <exception cref="EngineConfigurationException">The options cannot work with this model or machine.</exception>
    public static ModelInfo Make(ModelDirectory directory, ModelDescription description, Checkpoint checkpoint, EngineOptions options)
    {
        DecoderSpec spec = description.Spec;
        WeightFormat weights = ChooseWeights(description, checkpoint, options);
        WeightFormat? head = ChooseHead(description, weights, options);
        KvCacheFormat kvCache = options.KvCacheDtype switch
        {
            KvCacheDtype.Float32 => KvCacheFormat.Float32,
            KvCacheDtype.BFloat16 => KvCacheFormat.BFloat16,
            KvCacheDtype.Int8 => KvCacheFormat.Int8,
            KvCacheDtype.Fp8 => KvCacheFormat.Fp8,
            _ when checkpoint.Quantization?.CachesFloat8 == true => KvCacheFormat.Fp8,
            _ => DefaultKvCache(weights),
        };
        Check(options.BlockSize is >= 16 and <= 1024 && options.BlockSize % 16 == 0, $"block_size must be a multiple of 16 up to 1024; it is {options.BlockSize}");
        Check(options.MaxNumSeqs >= 1, $"max_num_seqs must be at least 1; it is {options.MaxNumSeqs}");
        int maxNumBatchedTokens = options.MaxNumBatchedTokens ?? Math.Max(2048, options.MaxNumSeqs);
        Check(
            maxNumBatchedTokens >= options.MaxNumSeqs,
            $"max_num_batched_tokens ({maxNumBatchedTokens}) must be at least max_num_seqs ({options.MaxNumSeqs}), so that every running request gets a token a step");
        Check(options.Threads is null or (>= 1 and <= 1024), $"threads must be between 1 and 1024; it is {options.Threads}");
        Check(options.KvCacheWatermark is >= 0 and < 1, $"the cache watermark must be at least 0 and below 1; it is {options.KvCacheWatermark}");
        Check(options.MaxLogprobs >= -1, $"max_logprobs must be -1 (no limit), or 0 or more; it is {options.MaxLogprobs}");
        int maxModelLen = options.MaxModelLen ?? spec.MaxPositionEmbeddings;
        Check(maxModelLen >= 2, $"max_model_len must be at least 2; it is {maxModelLen}");
        Check(
            maxModelLen <= spec.MaxPositionEmbeddings,
            $"max_model_len {maxModelLen} is more than the {spec.MaxPositionEmbeddings} positions the model was made for (max_position_embeddings)");

        long bytesPerBlock = CpuModelRunner.BytesPerBlock(spec, kvCache, options.BlockSize);
        int blocksPerSequence = (maxModelLen + options.BlockSize - 1) / options.BlockSize;
        long cacheMemory = options.KvCacheMemory ?? DefaultKvCacheMemory(options, blocksPerSequence, bytesPerBlock);
        long blocks = cacheMemory / bytesPerBlock;
        Check(
            blocks >= blocksPerSequence,
            $"a key-value cache of {cacheMemory} bytes holds {blocks * options.BlockSize} tokens, less than one request of "
            + $"max_model_len {maxModelLen}, which needs {blocksPerSequence * bytesPerBlock} bytes: raise kv_cache_memory"
            + (blocks > 0 ? $", or set max_model_len to {blocks * options.BlockSize} or less" : string.Empty));
        GenerationDefaults defaults = options.GenerationConfig == GenerationConfigSource.Vllm ? new GenerationDefaults() : directory.Generation;
        return new ModelInfo
        {
            Name = options.ServedModelName ?? System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(directory.Path))),
            Path = directory.Path,
            Spec = spec,
            EosTokenIds = description.EosTokenIds,
            MaxModelLen = maxModelLen,
            MaxNumSeqs = options.MaxNumSeqs,
            MaxNumBatchedTokens = maxNumBatchedTokens,
            Weights = weights,
            KvCache = kvCache,
            BlockSize = options.BlockSize,
            NumBlocks = checked((int)Math.Min(blocks, int.MaxValue / options.BlockSize)),
            Head = head,
            StoredQuantization = checkpoint.Quantization is { } stored ? $"{stored.Method}: {stored.Summary}" : null,
            Notes = [.. checkpoint.Quantization?.Notes ?? [], .. CpuModelRunner.NotesFor(spec, weights, head, checkpoint)],
            WeightBytes = CpuModelRunner.WeightBytesFor(spec, weights, head, checkpoint),
            KvCacheBytes = Math.Min(blocks, int.MaxValue / options.BlockSize) * bytesPerBlock,
            InstructionSet = ProcessorFeatures.Selected,
            Threads = options.Threads ?? Environment.ProcessorCount,
            GenerationDefaults = defaults,
        };
    }

    /// <summary>Bytes that a plan's step passes through, beside weights and cache.</summary>
    public static long ActivationBytes(ModelInfo plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return CpuModelRunner.ActivationBytesFor(plan.Spec, plan.MaxNumBatchedTokens);
    }

    /// <summary>Checks that this machine has the memory that a plan takes. Apart from <see cref="Make"/>, so that a plan can
    /// be looked at where it could not run.</summary>
    /// <exception cref="EngineConfigurationException">It has not; the message says what takes how much, and what to lower.</exception>
    public static void RequireMemory(ModelInfo plan) => RequireMemory(plan, AvailableMemory);

    /// <summary>Bytes of memory there are on this machine, or allowed to this process.</summary>
    public static long AvailableMemory => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    internal static void RequireMemory(ModelInfo plan, long available)
    {
        long activations = ActivationBytes(plan);
        long total = plan.WeightBytes + plan.KvCacheBytes + activations;
        if (total <= available)
        {
            return;
        }

        // The first of these that would be enough; nothing is, where the weights alone are too large.
        string remedy = plan.WeightBytes + activations < available && plan.KvCacheBytes >= activations ? "lower kv_cache_memory, or max_model_len and max_num_seqs"
            : plan.WeightBytes + plan.KvCacheBytes < available ? "lower max_num_batched_tokens (and max_num_seqs, its least value)"
            : plan.WeightBytes < available ? "lower kv_cache_memory, max_num_batched_tokens and max_num_seqs"
            : plan.Weights == WeightFormat.Float32 ? "the weights alone are too large; dtype bfloat16 halves them"
            : "the weights alone are too large for this machine";
        throw new EngineConfigurationException(
            $"{total} bytes of memory are needed ({plan.WeightBytes} for weights, {plan.KvCacheBytes} for the key-value cache, {activations} for a step "
            + $"of {plan.MaxNumBatchedTokens} tokens), and {available} are available: {remedy}");
    }

    private static WeightFormat ChooseWeights(ModelDescription description, Checkpoint checkpoint, EngineOptions options)
    {
        Check(
            options.Quantization is null || checkpoint.Quantization is null,
            $"quantization {options.Quantization} does not go with a checkpoint that is quantized already ({checkpoint.Quantization?.Method}: {checkpoint.Quantization?.Summary}); "
            + "it loads as it is, without that option");
        WeightFormat? asked = options.Quantization is null ? null : SchemeNamed(options.Quantization);
        WeightFormat? dtype = options.Dtype switch
        {
            ModelDtype.Float32 => WeightFormat.Float32,
            ModelDtype.BFloat16 => WeightFormat.BFloat16,
            _ => null,
        };
        Check(asked is null || dtype is null || asked == dtype, $"quantization {options.Quantization} and dtype {options.Dtype.ToString().ToLowerInvariant()} contradict each other");
        return asked ?? dtype ?? PlainFormat(description);
    }

    private static WeightFormat PlainFormat(ModelDescription description) =>
        description.StoredType == TensorType.BFloat16 ? WeightFormat.BFloat16 : WeightFormat.Float32;

    private static WeightFormat? ChooseHead(ModelDescription description, WeightFormat weights, EngineOptions options) => options.QuantizeHead switch
    {
        HeadQuantization.Never when SchemeName(weights) is "float32" or "bf16" or "fp16" => null,
        HeadQuantization.Never => PlainFormat(description),
        HeadQuantization.Always => weights,
        _ => null,
    };

    private static long DefaultKvCacheMemory(EngineOptions options, long blocksPerSequence, long bytesPerBlock)
    {
        Int128 useful = (Int128)options.MaxNumSeqs * blocksPerSequence * bytesPerBlock;
        return (long)Int128.Min(useful, Math.Min(DefaultKvCacheLimit, AvailableMemory / 2));
    }

    private static void Check(bool holds, string message)
    {
        if (!holds)
        {
            throw new EngineConfigurationException(message);
        }
    }
}
