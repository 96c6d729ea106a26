using System.Globalization;

namespace Octavo.Engine;

/// <summary>Lengths of time as people write them, and as options take them.</summary>
internal static class TimeText
{
    /// <summary>In milliseconds below a second, else in seconds: <c>250ms</c>, <c>2.5s</c>.</summary>
    public static string Of(TimeSpan time) => time != TimeSpan.Zero && time.Duration() < TimeSpan.FromSeconds(1)
        ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.####}ms")
        : string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.####}s");
}
