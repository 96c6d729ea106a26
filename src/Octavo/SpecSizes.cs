using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo;

/// <summary>What a decoder will take in memory, told from its description alone.</summary>
internal static class SpecSizes
{
    /// <summary>Bytes of the packed weights in a scheme.</summary>
    public static long WeightBytes(DecoderSpec spec, WeightScheme scheme) =>
        Plan(spec, scheme, KvCacheFormat.Float32).WeightBytes;

    /// <summary>Bytes of a token's keys and values in all layers.</summary>
    public static long CacheBytesPerToken(DecoderSpec spec, KvCacheFormat format) =>
        Plan(spec, WeightScheme.Float32, format).CacheBytesPerToken;

    private static IModelPlan Plan(DecoderSpec spec, WeightScheme scheme, KvCacheFormat format) =>
        Backends.Default.Plan(spec, null, new PlanRequest
        {
            Weights = scheme,
            KvCache = format,
            BlockSize = MemoryOptions.DefaultBlockSize,
            MaxModelLen = spec.MaxPositionEmbeddings,
            MaxNumBatchedTokens = 1,
        });
}
