using System.Globalization;

namespace Octavo.Cli.Terminal;

/// <summary>Sizes in bytes as people write them.</summary>
internal static class ByteSize
{
    private static readonly (string Unit, long Bytes)[] Units =
    [
        ("TiB", 1L << 40), ("GiB", 1L << 30), ("MiB", 1L << 20), ("KiB", 1L << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000),
        ("T", 1L << 40), ("G", 1L << 30), ("M", 1L << 20), ("K", 1L << 10),
        ("B", 1),
    ];

    /// <summary>
    /// Reads <c>512MiB</c>, <c>1.5GiB</c>, <c>4GB</c>, or a plain number of bytes; at least one byte.
    /// </summary>
    public static bool TryParse(string text, out long bytes)
    {
        (string unit, long scale) = Units.FirstOrDefault(
            u => text.EndsWith(u.Unit, StringComparison.OrdinalIgnoreCase));
        ReadOnlySpan<char> number = unit is null ? text : text.AsSpan(0, text.Length - unit.Length).TrimEnd();
        bool valid = decimal.TryParse(
            number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal count);
        decimal total = valid && count < long.MaxValue
            ? Math.Min(count * (unit is null ? 1 : scale), long.MaxValue)
            : 0;
        bytes = (long)total;
        return bytes >= 1;
    }

    /// <summary>Writes a size with the largest binary unit that it reaches.</summary>
    public static string Format(long bytes) =>
        bytes < 1024 ? string.Create(CultureInfo.InvariantCulture, $"{bytes} B") : ByteText.Of(bytes);
}
