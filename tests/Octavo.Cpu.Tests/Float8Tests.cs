using System.Runtime.Intrinsics;
using Octavo.Cpu.Cache;
using Octavo.Cpu.Panels;

namespace Octavo.Cpu.Tests;

/// <summary>E4M3 in vectors against E4M3 one by one.</summary>
public sealed unsafe class Float8Tests
{
    public static TheoryData<bool> Widths() =>
        ProcessorFeatures.Selected >= InstructionSet.Avx512 ? [false, true] : [false];

    [Theory]
    [MemberData(nameof(Widths))]
    public void Widen_EveryByteInEveryPlace_IsExact(bool wide)
    {
        // Two rows of 128 bytes, in which every byte comes to stand in each of a word's four places.
        const int rowBytes = 128;
        for (int turn = 0; turn < 4; turn++)
        {
            byte[] bytes =
                [.. Enumerable.Range(0, 2 * rowBytes).Select(i => (byte)(((i / 4) + (64 * i)) ^ (64 * turn)))];
            using var source = new GuardedMemory(bytes.Length);
            using var destination = new GuardedMemory(2 * bytes.Length);
            bytes.CopyTo(new Span<byte>(source.Pointer, bytes.Length));
            Float8.Widen(source.Pointer, destination.Pointer, 2, rowBytes, source.Pointer, wide);
            for (int i = 0; i < bytes.Length; i++)
            {
                (int row, int word, int place) = (i / rowBytes, i % rowBytes / 4, i % 4);
                ushort widened =
                    ((ushort*)(destination.Pointer + (((2 * row) + (place / 2)) * rowBytes)))[(2 * word) + (place % 2)];
                float expected = WeightQuantizer.FromFloat8(bytes[i]);
                float actual = BitConverter.Int32BitsToSingle(widened << 16);
                (float.IsNaN(expected)
                    ? float.IsNaN(actual)
                    : BitConverter.SingleToInt32Bits(expected) == BitConverter.SingleToInt32Bits(actual))
                    .ShouldBeTrue($"byte {bytes[i]:x2} is {expected}, not {actual}");
            }
        }
    }

    [Fact]
    public void Round_NumbersOfAllSizes_AreThoseOfTheScalarOne()
    {
        var random = new Random(4);
        List<float> numbers =
        [
            0f, -0f, 448f, 463.9f, 464f, 1e30f, -1e30f, float.PositiveInfinity, float.NegativeInfinity, 1f / 64,
            float.BitDecrement(1f / 64), 1e-30f, float.Epsilon
        ];
        for (int code = 0; code < 0x7E; code++)
        {
            // Each number, the middle between it and the next, and both sides of the middle.
            float low = WeightQuantizer.FromFloat8((byte)code),
                middle = (low + WeightQuantizer.FromFloat8((byte)(code + 1))) / 2;
            numbers.AddRange([low, middle, float.BitIncrement(middle), float.BitDecrement(middle), -middle]);
        }

        numbers.AddRange(Enumerable.Range(0, 4000)
            .Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-14, 12)))));
        foreach (float[] eight in numbers.Chunk(8).Where(c => c.Length == 8))
        {
            Vector256<int> codes = Float8.Round(Vector256.Create(eight));
            for (int i = 0; i < 8; i++)
            {
                codes[i].ShouldBe(WeightQuantizer.ToFloat8(eight[i]), $"{eight[i]:R}");
            }
        }
    }
}
