using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Octavo.Cpu.Simd;

/// <summary>
/// The 32-bit integer lanes beside the float lanes of an <see cref="ISimd{TVector}"/>, so that integer arithmetic is
/// written once and closed over each width. Everything here is exact, or rounded as IEEE says: the bits are the same on
/// every instruction set.
/// </summary>
internal unsafe interface IIntSimd<TFloat, TInt>
    where TFloat : struct
    where TInt : struct
{
    static abstract TInt Load(void* source);

    static abstract void Store(TInt value, void* destination);

    static abstract TInt Broadcast(int value);

    static abstract TInt Add(TInt left, TInt right);

    static abstract TInt Subtract(TInt left, TInt right);

    static abstract TInt And(TInt left, TInt right);

    static abstract TInt ShiftLeft(TInt value, int bits);

    /// <summary>Moves both halves of each lane to the right, filling with each half's sign.</summary>
    static abstract TInt ShiftRightHalves(TInt value, int bits);

    static abstract TInt ShiftLeftHalves(TInt value, int bits);

    /// <summary>Each lane as two signed halves: <c>low · low + high · high</c>, exact.</summary>
    static abstract TInt MultiplyAddHalves(TInt left, TInt right);

    static abstract TFloat ToFloat(TInt value);

    static abstract TInt Bits(TFloat value);

    static abstract TFloat FromBits(TInt value);

    /// <summary>
    /// <paramref name="value"/> where <paramref name="x"/> is not below <paramref name="limit"/>, else 0; a NaN is not
    /// below.
    /// </summary>
    static abstract TFloat ZeroBelow(TFloat value, TFloat x, TFloat limit);
}

internal readonly unsafe struct IntSimd512 : IIntSimd<Vector512<float>, Vector512<int>>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Load(void* source) => Vector512.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<int> value, void* destination) => value.Store((int*)destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Broadcast(int value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Add(Vector512<int> left, Vector512<int> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Subtract(Vector512<int> left, Vector512<int> right) => left - right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> And(Vector512<int> left, Vector512<int> right) => left & right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftLeft(Vector512<int> value, int bits) => value << bits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftRightHalves(Vector512<int> value, int bits) =>
        (value.AsInt16() >> bits).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftLeftHalves(Vector512<int> value, int bits) => (value.AsInt16() << bits).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> MultiplyAddHalves(Vector512<int> left, Vector512<int> right) =>
        Avx512BW.MultiplyAddAdjacent(left.AsInt16(), right.AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ToFloat(Vector512<int> value) => Vector512.ConvertToSingle(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Bits(Vector512<float> value) => value.AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> FromBits(Vector512<int> value) => value.AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ZeroBelow(Vector512<float> value, Vector512<float> x, Vector512<float> limit) =>
        Vector512.ConditionalSelect(Vector512.LessThan(x, limit), Vector512<float>.Zero, value);
}

internal readonly unsafe struct IntSimd256 : IIntSimd<Vector256<float>, Vector256<int>>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Load(void* source) => Vector256.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<int> value, void* destination) => value.Store((int*)destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Broadcast(int value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add(Vector256<int> left, Vector256<int> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Subtract(Vector256<int> left, Vector256<int> right) => left - right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> And(Vector256<int> left, Vector256<int> right) => left & right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftLeft(Vector256<int> value, int bits) => value << bits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftRightHalves(Vector256<int> value, int bits) =>
        (value.AsInt16() >> bits).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftLeftHalves(Vector256<int> value, int bits) => (value.AsInt16() << bits).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAddHalves(Vector256<int> left, Vector256<int> right) =>
        Avx2.MultiplyAddAdjacent(left.AsInt16(), right.AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ToFloat(Vector256<int> value) => Vector256.ConvertToSingle(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Bits(Vector256<float> value) => value.AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FromBits(Vector256<int> value) => value.AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ZeroBelow(Vector256<float> value, Vector256<float> x, Vector256<float> limit) =>
        Vector256.ConditionalSelect(Vector256.LessThan(x, limit), Vector256<float>.Zero, value);
}

internal readonly unsafe struct IntSimd128 : IIntSimd<Vector128<float>, Vector128<int>>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Load(void* source) => Vector128.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<int> value, void* destination) => value.Store((int*)destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Broadcast(int value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Add(Vector128<int> left, Vector128<int> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Subtract(Vector128<int> left, Vector128<int> right) => left - right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> And(Vector128<int> left, Vector128<int> right) => left & right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> ShiftLeft(Vector128<int> value, int bits) => value << bits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> ShiftRightHalves(Vector128<int> value, int bits) =>
        (value.AsInt16() >> bits).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> ShiftLeftHalves(Vector128<int> value, int bits) => (value.AsInt16() << bits).AsInt32();

    /// <summary>
    /// No processor's own pair product here: two products of sign-extended lanes are the same integers anywhere.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAddHalves(Vector128<int> left, Vector128<int> right) =>
        (((left << 16) >> 16) * ((right << 16) >> 16)) + ((left >> 16) * (right >> 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ToFloat(Vector128<int> value) => Vector128.ConvertToSingle(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Bits(Vector128<float> value) => value.AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> FromBits(Vector128<int> value) => value.AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ZeroBelow(Vector128<float> value, Vector128<float> x, Vector128<float> limit) =>
        Vector128.ConditionalSelect(Vector128.LessThan(x, limit), Vector128<float>.Zero, value);
}
