using Octavo.Cli.Terminal;

namespace Octavo.Cli.Tests;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("4096", 4096)]
    [InlineData("512MiB", 512L << 20)]
    [InlineData("4GiB", 4L << 30)]
    [InlineData("1.5 gib", 3L << 29)]
    [InlineData("2GB", 2_000_000_000)]
    [InlineData("3G", 3L << 30)]
    [InlineData("16B", 16)]
    public void TryParse_ASize_GivesItsBytes(string text, long bytes)
    {
        ByteSize.TryParse(text, out long parsed).ShouldBeTrue();
        parsed.ShouldBe(bytes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("GiB")]
    [InlineData("-1")]
    [InlineData("0")]
    [InlineData("0.1")]
    [InlineData("four")]
    [InlineData("99999999999999999999999999999999999999999999")]
    public void TryParse_NoSize_IsRefused(string text) => ByteSize.TryParse(text, out _).ShouldBeFalse();

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1024, "1 KiB")]
    [InlineData(1610612736, "1.5 GiB")]
    public void Format_Bytes_TakesTheLargestUnit(long bytes, string text) => ByteSize.Format(bytes).ShouldBe(text);
}
