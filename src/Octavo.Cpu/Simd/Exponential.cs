using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Octavo.Cpu.Simd;

/// <summary>
/// <c>2^x</c> from additions, multiply-adds and shifts only, so that its bits are the same on every instruction set
/// (<see cref="MathF.Exp"/> and the vector exponentials of .NET are the runtime's own).
/// </summary>
/// <remarks>
/// <c>x = n + f</c> with an integer n and |f| ≤ ½; a polynomial of degree six interpolates <c>(2^f − 1) / f</c> at
/// Chebyshev's points. The relative error is below 7·10⁻⁸, and <c>2^0</c> is exactly 1. For x from −120 to 120; below
/// it is 0.
/// </remarks>
internal static class Exponential
{
    public const float Least = -120f;
    public const float C1 = 0.6931471824645996f;
    public const float C2 = 0.24022650718688965f;
    public const float C3 = 0.055503569543361664f;
    public const float C4 = 0.009618083015084267f;
    public const float C5 = 0.0013390863314270973f;
    public const float C6 = 0.00015453163359779865f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Of<TVector, TSimd, TInt, TIntSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
        where TInt : struct
        where TIntSimd : struct, IIntSimd<TVector, TInt>
    {
        TVector magic = TSimd.Broadcast(Rounding.Magic);
        TVector shifted = TSimd.Add(x, magic);
        TVector f = TSimd.Subtract(x, TSimd.Subtract(shifted, magic));
        TVector p = TSimd.MultiplyAdd(TSimd.Broadcast(C6), f, TSimd.Broadcast(C5));
        p = TSimd.MultiplyAdd(p, f, TSimd.Broadcast(C4));
        p = TSimd.MultiplyAdd(p, f, TSimd.Broadcast(C3));
        p = TSimd.MultiplyAdd(p, f, TSimd.Broadcast(C2));
        p = TSimd.MultiplyAdd(p, f, TSimd.Broadcast(C1));
        p = TSimd.MultiplyAdd(p, f, TSimd.Broadcast(1f));
        TInt exponent = TIntSimd.ShiftLeft(TIntSimd.Bits(shifted), 23);
        TVector power = TIntSimd.FromBits(TIntSimd.Add(TIntSimd.Bits(p), exponent));
        return TIntSimd.ZeroBelow(power, x, TSimd.Broadcast(Least));
    }

    /// <summary>
    /// <c>e^−x</c>; beyond what the exponential takes, a number so large that a sigmoid does not tell.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> OfMinus(Vector512<float> x)
    {
        const float minusLog2E = -1.44269504f;
        Vector512<float> power = Vector512.Min(x * minusLog2E, Vector512.Create(-Least));
        return Of<Vector512<float>, Simd512, Vector512<int>, IntSimd512>(power);
    }

    /// <summary>The scalar twin.</summary>
    public static float Of(float x)
    {
        if (x < Least)
        {
            return 0f;
        }

        float shifted = x + Rounding.Magic;
        float f = x - (shifted - Rounding.Magic);
        float p = MathF.FusedMultiplyAdd(C6, f, C5);
        p = MathF.FusedMultiplyAdd(p, f, C4);
        p = MathF.FusedMultiplyAdd(p, f, C3);
        p = MathF.FusedMultiplyAdd(p, f, C2);
        p = MathF.FusedMultiplyAdd(p, f, C1);
        p = MathF.FusedMultiplyAdd(p, f, 1f);
        return BitConverter.Int32BitsToSingle(
            BitConverter.SingleToInt32Bits(p) + (BitConverter.SingleToInt32Bits(shifted) << 23));
    }
}
