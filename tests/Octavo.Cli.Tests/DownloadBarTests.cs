using Octavo.Cli.Terminal;
using Octavo.Formats;

namespace Octavo.Cli.Tests;

public sealed class DownloadBarTests
{
    [Theory]
    [InlineData(
        0, 0, 4, null, "o/n [........................]   0%  0 B of 4 GiB")]
    [InlineData(
        1L << 30, 1L << 30, 10, null,
        "o/n [######..................]  25%  1 GiB of 4 GiB, 102.4 MiB/s, 0:30 left")]
    [InlineData(
        2L << 30, 1L << 20, 10, null,
        "o/n [############............]  50%  2 GiB of 4 GiB, 102.4 KiB/s, 5:41:20 left")]
    [InlineData(4L << 30, 4L << 30, 4, null, "o/n [########################] 100%  4 GiB of 4 GiB, 1 GiB/s, 0:00 left")]
    [InlineData(
        1L << 30, 1L << 30, 10, "again in 4 s: x",
        "o/n [######..................]  25%  1 GiB of 4 GiB, again in 4 s: x")]
    public void Line_OfADownload_SaysHowFarHowFastAndHowLong(
        long done, long fetched, double seconds, string? trouble, string expected) =>
        DownloadBar.Line(
            new DownloadProgress("o/n", done, 4L << 30, 3, fetched, trouble), TimeSpan.FromSeconds(seconds))
            .ShouldBe(expected);
}
