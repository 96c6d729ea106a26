namespace Octavo.Cpu.Simd;

/// <summary>
/// Numbers that round float32 to integers with an addition, ties to even, on every instruction set alike.
/// </summary>
internal static class Rounding
{
    /// <summary>1.5 · 2²³: what is added to it is rounded to an integer, which stands in the sum's low bits.</summary>
    public const float Magic = 12582912f;

    public const int MagicBits = 0x4B400000;

    /// <summary>Rows whose largest magnitude is below are zeros: an integer over it could be infinite.</summary>
    public const float Least = 1e-30f;
}
