using Octavo.Formats;
using Octavo.Formats.Stored;
using Octavo.Models;

namespace Octavo.Engine;

/// <summary>How keys and values are stored.</summary>
public enum KvCacheFormat
{
    /// <summary>Four bytes an element.</summary>
    Float32,

    /// <summary>Two bytes an element.</summary>
    BFloat16,

    /// <summary>
    /// One byte an element, and for each token and head one float32 scale for its key and one for its value.
    /// </summary>
    Int8,

    /// <summary>One byte an element (E4M3), and for each layer one scale for its keys and one for its values.</summary>
    Fp8,
}

/// <summary>How a model is to be laid out and run.</summary>
internal sealed record PlanRequest
{
    /// <summary>
    /// What the size of a block is a multiple of, so that a kernel's vectors never cross two of them.
    /// </summary>
    public const int BlockSizeUnit = 16;

    /// <summary>The most threads.</summary>
    public const int MostThreads = 1024;

    private const int LongestBlock = 1024;

    /// <summary>
    /// How weights are stored that the checkpoint does not store quantized already; those stay as they are.
    /// </summary>
    public required WeightScheme Weights { get; init; }

    /// <summary>How the output head is stored; null takes <see cref="WeightScheme.ForHead"/> of the weights.</summary>
    public WeightScheme? Head { get; init; }

    /// <summary>
    /// What becomes of activations that meet weights in GGUF's blocks, which do not say: <c>Int8</c>, or <c>Plain</c>.
    /// </summary>
    public StoredActivations BlockInputs { get; init; } = StoredActivations.Plain;

    /// <summary>How keys and values are stored.</summary>
    public required KvCacheFormat KvCache { get; init; }

    /// <summary>Tokens a block of the key-value cache.</summary>
    public int BlockSize { get; init; } = 16;

    /// <summary>The longest sequence, in tokens.</summary>
    public required int MaxModelLen { get; init; }

    /// <summary>The most tokens a batch holds.</summary>
    public required int MaxNumBatchedTokens { get; init; }

    /// <summary>Threads that share the work; null takes OCTAVO_THREADS, or one a processor.</summary>
    public int? Threads { get; init; }

    /// <summary>Notes what is wrong with a number of threads.</summary>
    public static void CheckThreads(ICollection<ParameterFault> faults, int? threads) => faults.Check(
        threads is null or (>= 1 and <= MostThreads), nameof(Threads), $"must be between 1 and {MostThreads}", threads);

    /// <summary>Notes what is wrong with a block's size.</summary>
    public static void CheckBlockSize(ICollection<ParameterFault> faults, int blockSize) => faults.Check(
        blockSize is > 0 and <= LongestBlock && blockSize % BlockSizeUnit == 0,
        nameof(BlockSize),
        $"must be a multiple of {BlockSizeUnit} up to {LongestBlock}",
        blockSize);
}

/// <summary>How far loading is.</summary>
/// <param name="Done">Bytes of the checkpoint made ready.</param>
/// <param name="Total">All bytes.</param>
public readonly record struct LoadProgress(long Done, long Total)
{
    /// <summary>Turns bytes that were made ready into progress, and stops where that is wanted.</summary>
    /// <param name="total">All bytes.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal static Action<long> Count(
        long total, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        long done = 0;
        return bytes =>
        {
            done += bytes;
            progress?.Report(new LoadProgress(Math.Min(done, total), total));
            cancellationToken.ThrowIfCancellationRequested();
        };
    }
}

/// <summary>What can run models: this processor, later others. Made once, used by all.</summary>
internal interface IBackend
{
    /// <summary>What its kernels are made for, in a word, such as <c>avx512vnni</c>.</summary>
    string Kernels { get; }

    /// <summary>What the hardware can do that matters here, and whether it says so.</summary>
    IReadOnlyList<(string Name, bool Present)> Features { get; }

    /// <summary>Says how a model would be loaded; no weight is read.</summary>
    /// <param name="spec">The model.</param>
    /// <param name="checkpoint">Its weights; null where only the figures of unquantized ones are wanted. Stays open as
    /// long as the plan's runners live.</param>
    /// <param name="request">What was asked for.</param>
    /// <exception cref="EngineConfigurationException">The request does not fit the model or the hardware.</exception>
    IModelPlan Plan(DecoderSpec spec, Checkpoint? checkpoint, PlanRequest request);
}

/// <summary>How a backend will load a model.</summary>
internal interface IModelPlan
{
    /// <summary>Bytes of the weights, as they are read in a step.</summary>
    long WeightBytes { get; }

    /// <summary>What layers keep.</summary>
    IReadOnlyList<CacheGroup> CacheGroups { get; }

    /// <summary>Bytes of a block of the cache, which has room for the layers of any group.</summary>
    long BytesPerBlock { get; }

    /// <summary>Bytes of a token's keys and values in all layers.</summary>
    long CacheBytesPerToken { get; }

    /// <summary>Bytes of the buffers that a step passes through.</summary>
    long ActivationBytes { get; }

    /// <summary>Threads that share the work.</summary>
    int Threads { get; }

    /// <summary>What is not done exactly as the checkpoint or the request asks, in words; usually nothing.</summary>
    IReadOnlyList<string> Notes { get; }

    /// <summary>Loads the weights and reserves the cache.</summary>
    /// <param name="numBlocks">Blocks of the cache.</param>
    /// <param name="progress">Hears how far loading is.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <exception cref="EngineConfigurationException">There is not the memory for it.</exception>
    IModelRunner Load(
        int numBlocks, IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Writes the weights as this plan has them into a file beside the checkpoint, from which every later
    /// <see cref="Load"/> of such a plan takes them.
    /// </summary>
    /// <param name="progress">Hears how far it is.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The file and its size.</returns>
    /// <exception cref="EngineConfigurationException">The checkpoint is in no file.</exception>
    (string Path, long Bytes) Pack(
        IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default);
}
