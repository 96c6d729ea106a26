using System.Globalization;
using Octavo.Cpu;
using Octavo.Cpu.Kernels;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Text;

namespace Octavo;

/// <summary>Decides from a model and options how it will be laid out, before anything is loaded.</summary>
public static class ModelPlan
{
    private const double DefaultMemoryFraction = 0.8;

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
    /// <exception cref="ArgumentNullException">The name is null.</exception>
    public static WeightFormat SchemeNamed(string name) =>
        Schemes.TryGetValue((name ?? throw new ArgumentNullException(nameof(name))).ToLowerInvariant(), out WeightFormat format)
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
    /// <param name="tokenizer">Its tokenizer, whose EOS ends a text, too; null where there is none.</param>
    /// <exception cref="EngineConfigurationException">The options cannot work with this model or machine.</exception>
    public static ModelInfo Make(
        ModelDirectory directory, ModelDescription description, Checkpoint checkpoint, EngineOptions options, Tokenizer? tokenizer = null) =>
        Make(directory, description, checkpoint, options, tokenizer, MachineMemory.Read());

    internal static ModelInfo Make(
        ModelDirectory directory, ModelDescription description, Checkpoint checkpoint, EngineOptions options, Tokenizer? tokenizer, MachineMemory memory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentNullException.ThrowIfNull(description);
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(options);
        options.RequireNoNulls();
        DecoderSpec spec = description.Spec;
        WeightFormat weights = ChooseWeights(description, checkpoint, options);
        WeightFormat? head = HeadFormat(options.QuantizeHead, weights, PlainFormat(description));
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
        long weightBytes = CpuModelRunner.WeightBytesFor(spec, weights, head, checkpoint);
        long blocks = ChooseBlocks(options, memory, weightBytes + StepBytes(spec, maxNumBatchedTokens, options.MaxNumSeqs), maxModelLen, bytesPerBlock);
        GenerationDefaults defaults = options.GenerationConfig == GenerationConfigSource.Vllm ? new GenerationDefaults() : directory.Generation;
        return new ModelInfo
        {
            Name = options.ServedModelName ?? System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(directory.Path))),
            Path = directory.Path,
            CheckpointHash = CheckpointFingerprint.Of(checkpoint),
            Spec = spec,
            EosTokenIds = [.. TokenizersEos(tokenizer, spec).Union(description.EosTokenIds.Where(id => id >= 0))],
            MaxModelLen = maxModelLen,
            MaxNumSeqs = options.MaxNumSeqs,
            MaxNumBatchedTokens = maxNumBatchedTokens,
            Weights = weights,
            KvCache = kvCache,
            BlockSize = options.BlockSize,
            NumBlocks = checked((int)Math.Min(blocks, int.MaxValue / options.BlockSize)),
            Head = head,
            StoredQuantization = checkpoint.Quantization is { } stored ? $"{stored.Method}: {stored.Summary}" : null,
            Notes =
            [
                .. description.Notes,
                .. checkpoint.Quantization?.Notes ?? [],
                .. CpuModelRunner.NotesFor(spec, weights, head, checkpoint),
            ],
            WeightBytes = weightBytes,
            Memory = memory,
            MemoryFraction = options.KvCacheMemory is null ? options.MemoryFraction ?? DefaultMemoryFraction : null,
            KvCacheBytes = Math.Min(blocks, int.MaxValue / options.BlockSize) * bytesPerBlock,
            InstructionSet = ProcessorFeatures.Selected,
            Threads = options.Threads ?? Environment.ProcessorCount,
            GenerationDefaults = defaults,
        };
    }

    /// <summary>Bytes that a plan's step passes through, beside weights and cache: activations, and a row of logits for each request.</summary>
    public static long ActivationBytes(ModelInfo plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return StepBytes(plan.Spec, plan.MaxNumBatchedTokens, plan.MaxNumSeqs);
    }

    /// <summary>Checks that there is the memory that a plan takes. Apart from <see cref="Make(ModelDirectory, ModelDescription, Checkpoint, EngineOptions, Tokenizer)"/>, so that a plan can
    /// be looked at where it could not run.</summary>
    /// <exception cref="EngineConfigurationException">There is not; the message says what takes how much, and what to lower.</exception>
    public static void RequireMemory(ModelInfo plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        RequireMemory(plan, plan.Memory.Free);
    }

    /// <summary>How a policy has the output head stored; null for what the layers' format brings along.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="weights">The layers' format.</param>
    /// <param name="stored">The format nearest to what the checkpoint stores.</param>
    public static WeightFormat? HeadFormat(HeadQuantization policy, WeightFormat weights, WeightFormat stored) => policy switch
    {
        HeadQuantization.Never when SchemeName(weights) is "float32" or "bf16" or "fp16" => null,
        HeadQuantization.Never => stored,
        HeadQuantization.Always => weights,
        _ => null,
    };

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
            $"{ByteText.Of(total)} of memory are needed ({ByteText.Of(plan.WeightBytes)} for weights, {ByteText.Of(plan.KvCacheBytes)} for the key-value cache, "
            + $"{ByteText.Of(activations)} for a step of {plan.MaxNumBatchedTokens} tokens), and {ByteText.Of(available)} are free ({plan.Memory.Source}): {remedy}");
    }

    // First, as transformers and vLLM have it. One beyond the model's vocabulary can never be drawn.
    private static IEnumerable<int> TokenizersEos(Tokenizer? tokenizer, DecoderSpec spec) =>
        tokenizer?.EosTokenId is { } id && id < spec.VocabSize ? [id] : [];

    private static WeightFormat ChooseWeights(ModelDescription description, Checkpoint checkpoint, EngineOptions options)
    {
        Check(
            options.Quantization is null || checkpoint.Quantization is null,
            $"quantization {options.Quantization} does not go with a checkpoint that is quantized already ({checkpoint.Quantization?.Method}: {checkpoint.Quantization?.Summary}); it loads as it is, without that option");
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

    private static long StepBytes(DecoderSpec spec, int maxNumBatchedTokens, int maxNumSeqs) =>
        CpuModelRunner.ActivationBytesFor(spec, maxNumBatchedTokens) + ((long)maxNumSeqs * spec.VocabSize * sizeof(float));

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
