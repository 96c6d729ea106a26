using Octavo.Engine;

namespace Octavo;

/// <summary>How keys and values are stored.</summary>
public enum KvCacheDtype
{
    /// <summary>
    /// E4M3 where the checkpoint asks for it (<c>kv_cache_scheme</c>), else as the weights: float32 beside float32
    /// weights, otherwise bfloat16.
    /// </summary>
    Auto,

    /// <summary>Four bytes an element.</summary>
    Float32,

    /// <summary>Two bytes an element.</summary>
    BFloat16,

    /// <summary>
    /// One byte an element, and two float32 scales for each token and key-value head: half the memory of bfloat16, and
    /// half the time that long contexts take to read. Results differ a little.
    /// </summary>
    Int8,

    /// <summary>One byte an element (E4M3), with the checkpoint's scale for each layer's keys and values, or none:
    /// vLLM's <c>fp8</c>.</summary>
    Fp8,
}

/// <summary>What the key-value cache takes, and in which form.</summary>
public sealed record MemoryOptions
{
    /// <summary>The part of the free memory, unless one says otherwise.</summary>
    public const double DefaultMemoryFraction = 0.8;

    /// <summary>Tokens a block, unless one says otherwise.</summary>
    public const int DefaultBlockSize = 16;

    private const string NotTogether = "the one says how much the cache has, the other leaves it what is left";

    private static readonly ParameterName Cache = new(nameof(KvCacheMemory));
    private static readonly ParameterName Fraction = new(nameof(MemoryFraction));

    /// <summary>The type of keys and values; <see cref="KvCacheDtype.Auto"/> takes that of the weights.</summary>
    public KvCacheDtype KvCacheDtype { get; init; } = KvCacheDtype.Auto;

    /// <summary>Tokens a block of the key-value cache, a multiple of 16.</summary>
    public int BlockSize { get; init; } = DefaultBlockSize;

    /// <summary>Bytes for the key-value cache; null leaves it what <see cref="MemoryFraction"/> says.</summary>
    public long? KvCacheMemory { get; init; }

    /// <summary>
    /// The part of the memory that is free at start (<see cref="MachineMemory"/>) that weights, steps and key-value
    /// cache share, above 0 and at most 1; null takes <see cref="DefaultMemoryFraction"/>. The cache gets what the
    /// others leave, but no more than <see cref="SchedulingOptions.MaxNumSeqs"/> sequences of the greatest length could
    /// fill.
    /// </summary>
    public double? MemoryFraction { get; init; }

    /// <summary>Notes all that is wrong.</summary>
    public void Validate(ICollection<ParameterFault> faults)
    {
        PlanRequest.CheckBlockSize(faults, BlockSize);
        faults.Check(
            MemoryFraction is null or (> 0 and <= 1),
            nameof(MemoryFraction),
            $"must be above 0 and at most 1",
            MemoryFraction);
        faults.Check(
            KvCacheMemory is null || MemoryFraction is null,
            $"{Cache} and {Fraction} do not go together: {NotTogether}");
    }
}
