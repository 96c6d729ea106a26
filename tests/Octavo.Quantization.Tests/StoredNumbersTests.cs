using Octavo.Formats;
using Octavo.Quantization.Workbench;

namespace Octavo.Quantization.Tests;

public sealed class StoredNumbersTests
{
    [Theory]
    [InlineData(nameof(TensorType.Float32))]
    [InlineData(nameof(TensorType.Float16))]
    [InlineData(nameof(TensorType.BFloat16))]
    [InlineData(nameof(TensorType.Float64))]
    public void Bytes_OfRoundedNumbers_AreReadBack(string name)
    {
        TensorType type = Enum.Parse<TensorType>(name);
        float[] numbers =
        [
            .. new[] { 0f, -0f, 1f, -1.2345678f, 3.1415927f, 60000f, 1e-4f }.Select(x => StoredNumbers.Round(x, type)),
        ];
        float[] read = new float[numbers.Length];
        ElementConversion.ToFloat32(type, StoredNumbers.Bytes(numbers, type), read);
        read.ShouldBe(numbers);
    }
}
