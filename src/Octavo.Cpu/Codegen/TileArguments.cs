using System.Runtime.InteropServices;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

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

    /// <summary>
    /// Sums, <c>[rows][32]</c>: float32, or int32 of integer products without groups until they are finished.
    /// </summary>
    public byte* Accumulators;

    /// <summary>Not 0 where the sums begin here, at zero.</summary>
    public long First;

    /// <summary>
    /// Not 0 where they end here: without groups, what stands above their value is taken off and the scales are
    /// applied.
    /// </summary>
    public long Last;

    /// <summary>Groups to work through; without groups 1.</summary>
    public long Segments;

    /// <summary>Steps in each.</summary>
    public long Steps;

    /// <summary>Scales of the activations, the rows of a group one behind another.</summary>
    public float* Scales;

    /// <summary>
    /// Sums of the activations' codes, negated, in the same order; where weights have minimums: sums of the activations
    /// themselves, negated, float32.
    /// </summary>
    public int* Sums;

    /// <summary>Zero-points of the activations by row, where the scheme has them.</summary>
    public int* InputZeros;

    /// <summary>Bytes between the scales (and sums) of two groups.</summary>
    public long ScaleStride;

    /// <summary>A kernel's own: the header of the present groups.</summary>
    public byte* Header;

    /// <summary>A kernel's own: groups before the next header.</summary>
    public long ToNextHeader;

    /// <summary>What will be read next from memory: fetched while the tile computes.</summary>
    public byte* Prefetch;

    /// <summary>Bytes to go on in it at each turn of the loop; 0 fetches nothing new.</summary>
    public long PrefetchStep;

    /// <summary>Where a field stands behind a pointer to the arguments.</summary>
    public static AssemblerMemoryOperand Operand(AssemblerRegister64 arguments, string field) =>
        __qword_ptr[arguments + (int)Marshal.OffsetOf<TileArguments>(field)];
}
