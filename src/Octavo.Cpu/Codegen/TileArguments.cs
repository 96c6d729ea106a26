using System.Runtime.InteropServices;

namespace Octavo.Cpu.Codegen;

/// <summary>What a tile kernel is called with: a few rows of activations and a run of segments of one panel.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TileArguments
{
    /// <summary>The panel, where the first segment begins.</summary>
    public byte* Weights;

    /// <summary>Activations of the first row, where the first segment begins.</summary>
    public byte* Input;

    /// <summary>Bytes between two rows of activations.</summary>
    public long InputStride;

    /// <summary>Sums, <c>[rows][32]</c>: float32, or int32 of integer products without groups.</summary>
    public byte* Accumulators;

    /// <summary>Groups to work through; without groups 1.</summary>
    public long Segments;

    /// <summary>Steps in each.</summary>
    public long Steps;

    /// <summary>Scales of the activations, the rows of a group one behind another.</summary>
    public float* Scales;

    /// <summary>Sums of the activations' codes, negated, in the same order.</summary>
    public int* Sums;

    /// <summary>Bytes between the scales (and sums) of two groups.</summary>
    public long ScaleStride;

    /// <summary>What will be read next from memory: fetched while the tile computes.</summary>
    public byte* Prefetch;

    /// <summary>Bytes to go on in it at each turn of the loop; 0 fetches nothing new.</summary>
    public long PrefetchStep;
}
