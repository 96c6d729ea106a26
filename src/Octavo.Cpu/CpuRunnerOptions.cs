using Octavo.Cpu.Kernels;

namespace Octavo.Cpu;

/// <summary>How a model is laid out and run on this processor.</summary>
public sealed record CpuRunnerOptions
{
    /// <summary>How weights are stored that the checkpoint does not store quantized already; those stay as they are.</summary>
    public required WeightFormat Weights { get; init; }

    /// <summary>How the output head is stored; null takes that of the weights, but never fewer than eight bits.</summary>
    public WeightFormat? Head { get; init; }

    /// <summary>How keys and values are stored.</summary>
    public required KvCacheFormat KvCache { get; init; }

    /// <summary>Blocks in the key-value cache.</summary>
    public required int NumBlocks { get; init; }

    /// <summary>Tokens a block, a multiple of 16.</summary>
    public int BlockSize { get; init; } = 16;

    /// <summary>The longest sequence, in tokens.</summary>
    public required int MaxModelLen { get; init; }

    /// <summary>The most tokens a batch holds.</summary>
    public required int MaxNumBatchedTokens { get; init; }

    /// <summary>Threads that share the work; null takes one a processor.</summary>
    public int? Threads { get; init; }

    /// <summary>The kernels to take; null takes the widest that OCTAVO_ISA and this processor allow.</summary>
    public InstructionSet? InstructionSet { get; init; }
}

/// <summary>How far loading is.</summary>
/// <param name="Done">Bytes of the checkpoint made ready.</param>
/// <param name="Total">All bytes.</param>
public readonly record struct LoadProgress(long Done, long Total);
