using System.Runtime.InteropServices;

namespace Octavo.Formats.Tests;

public sealed class ElementConversionTests
{
    private static readonly ushort[] AllPatterns = [.. Enumerable.Range(0, 1 << 16).Select(i => (ushort)i)];

    [Fact]
    public void ToFloat32_EveryHalf_IsExact()
    {
        float[] converted = new float[AllPatterns.Length];
        ElementConversion.ToFloat32(TensorType.Float16, MemoryMarshal.AsBytes<ushort>(AllPatterns), converted);
        for (int i = 0; i < converted.Length; i++)
        {
            AssertSame(converted[i], (float)BitConverter.UInt16BitsToHalf((ushort)i), i);
        }
    }

    [Fact]
    public void ToFloat32_EveryBFloat16_IsExact()
    {
        float[] converted = new float[AllPatterns.Length];
        ElementConversion.ToFloat32(TensorType.BFloat16, MemoryMarshal.AsBytes<ushort>(AllPatterns), converted);
        for (int i = 0; i < converted.Length; i++)
        {
            AssertSame(converted[i], BitConverter.Int32BitsToSingle(i << 16), i);
        }
    }

    [Theory]
    [InlineData(nameof(TensorType.Float16))]
    [InlineData(nameof(TensorType.BFloat16))]
    [InlineData(nameof(TensorType.Float32))]
    [InlineData(nameof(TensorType.Float64))]
    public void ToFloat32_EveryLengthAtOddAddresses_ConvertsEachElement(string name)
    {
        TensorType type = Enum.Parse<TensorType>(name);
        int size = type.BitsPerElement() / 8;
        for (int length = 0; length < 70; length++)
        {
            byte[] bytes = new byte[1 + (length * size)];
            for (int i = 0; i < length; i++)
            {
                Store(type, (i * 0.25f) - 3, bytes.AsSpan(1 + (i * size)));
            }

            float[] converted = new float[length];
            ElementConversion.ToFloat32(type, bytes.AsSpan(1), converted);
            converted.ShouldBe(Enumerable.Range(0, length).Select(i => (i * 0.25f) - 3));
        }
    }

    [Fact]
    public void ToFloat32_DoubleBetweenFloats_RoundsToEven()
    {
        float[] converted = new float[2];
        double[] halfway = [1 + Math.Pow(2, -24), 1 + (3 * Math.Pow(2, -24))];
        ElementConversion.ToFloat32(TensorType.Float64, MemoryMarshal.AsBytes<double>(halfway), converted);
        converted.ShouldBe([1f, 1 + MathF.Pow(2, -22)]);
    }

    [Fact]
    public void ToFloat32_WrongLengthOrType_Throws()
    {
        Should.Throw<ArgumentException>(
            () => ElementConversion.ToFloat32(TensorType.Float16, new byte[3], new float[2]));
        Should.Throw<ArgumentException>(
            () => ElementConversion.ToFloat32(TensorType.Float16, new byte[4], new float[1]));
        Should.Throw<ArgumentException>(() => ElementConversion.ToFloat32(TensorType.Int8, new byte[1], new float[1]))
            .Message.ShouldContain("I8");
    }

    private static void Store(TensorType type, float value, Span<byte> destination)
    {
        switch (type)
        {
            case TensorType.Float16:
                BitConverter.TryWriteBytes(destination, (Half)value).ShouldBeTrue();
                break;
            case TensorType.BFloat16:
                BitConverter.TryWriteBytes(destination, (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16))
                    .ShouldBeTrue();
                break;
            case TensorType.Float32:
                BitConverter.TryWriteBytes(destination, value).ShouldBeTrue();
                break;
            default:
                BitConverter.TryWriteBytes(destination, (double)value).ShouldBeTrue();
                break;
        }
    }

    private static void AssertSame(float actual, float expected, int pattern)
    {
        bool same = float.IsNaN(expected)
            ? float.IsNaN(actual)
            : BitConverter.SingleToInt32Bits(actual) == BitConverter.SingleToInt32Bits(expected);
        same.ShouldBeTrue($"pattern {pattern:X4}: {actual} for {expected}");
    }
}
