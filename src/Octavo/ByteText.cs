using System.Globalization;

namespace Octavo;

/// <summary>Sizes in bytes as people write them.</summary>
internal static class ByteText
{
    private static readonly (string Unit, long Bytes)[] Units =
        [("TiB", 1L << 40), ("GiB", 1L << 30), ("MiB", 1L << 20), ("KiB", 1L << 10)];

    /// <summary>A size in the largest binary unit that it reaches, to two places; below 1 KiB in bytes.</summary>
    public static string Of(long bytes)
    {
        (string unit, long scale) = Array.Find(Units, u => bytes >= u.Bytes);
        return unit is null
            ? string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes")
            : string.Create(CultureInfo.InvariantCulture, $"{(double)bytes / scale:0.##} {unit}");
    }
}
