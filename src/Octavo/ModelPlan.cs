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

    /// <summary>The names that <see cref="EngineOptions.Quantization"/> takes.</summary>
    public static IReadOnlyList<string> QuantizationSchemes { get; } = ["float32", "bf16"];

    /// <summary>Plans a model.</summary>
    /// <param name="directory">Its directory.</param>
    /// <param name="description">What it is.</param>
    /// <param name="options">What was asked for.</param>
    /// <exception cref="EngineConfigurationException">The options cannot work with this model or machine.</exception>
    public static ModelInfo Make(ModelDirectory directory, ModelDescription description, EngineOptions options)
    {
        DecoderSpec spec = description.Spec;
        WeightFormat weights = ChooseWeights(description, options);
        KvCacheFormat kvCache = options.KvCacheDtype switch
        {
            ModelDtype.Float32 => KvCacheFormat.Float32,
            ModelDtype.BFloat16 => KvCacheFormat.BFloat16,
            _ => weights == WeightFormat.Float32 ? KvCacheFormat.Float32 : KvCacheFormat.BFloat16,
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
        long blocks = (options.KvCacheMemory ?? DefaultKvCacheMemory(options, blocksPerSequence, bytesPerBlock)) / bytesPerBlock;
        Check(
            blocks >= blocksPerSequence,
            $"a key-value cache of {blocks * bytesPerBlock} bytes holds {blocks * options.BlockSize} tokens, less than one request of "
            + $"max_model_len {maxModelLen}, which needs {blocksPerSequence * bytesPerBlock} bytes: raise kv_cache_memory, or set max_model_len to {blocks * options.BlockSize} or less");
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
            KvCacheBytes = Math.Min(blocks, int.MaxValue / options.BlockSize) * bytesPerBlock,
            InstructionSet = ProcessorFeatures.Selected,
            Threads = options.Threads ?? Environment.ProcessorCount,
            GenerationDefaults = defaults,
        };
    }

    private static WeightFormat ChooseWeights(ModelDescription description, EngineOptions options)
    {
        string? scheme = options.Quantization?.ToLowerInvariant();
        WeightFormat? asked = scheme switch
        {
            null => null,
            "float32" => WeightFormat.Float32,
            "bf16" or "bfloat16" => WeightFormat.BFloat16,
            _ => throw new EngineConfigurationException(
                $"quantization \"{options.Quantization}\" is not supported; supported: {string.Join(", ", QuantizationSchemes)}"),
        };
        WeightFormat? dtype = options.Dtype switch
        {
            ModelDtype.Float32 => WeightFormat.Float32,
            ModelDtype.BFloat16 => WeightFormat.BFloat16,
            _ => null,
        };
        Check(asked is null || dtype is null || asked == dtype, $"quantization {options.Quantization} and dtype {options.Dtype} contradict each other");
        return asked ?? dtype ?? (description.StoredType == TensorType.BFloat16 ? WeightFormat.BFloat16 : WeightFormat.Float32);
    }

    private static long DefaultKvCacheMemory(EngineOptions options, long blocksPerSequence, long bytesPerBlock)
    {
        long useful = options.MaxNumSeqs * blocksPerSequence * bytesPerBlock;
        long available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2;
        return Math.Min(useful, Math.Min(DefaultKvCacheLimit, available));
    }

    private static void Check(bool holds, string message)
    {
        if (!holds)
        {
            throw new EngineConfigurationException(message);
        }
    }
}
