using System.Globalization;
using System.Text;

namespace Octavo.Text.Templates;

/// <summary>C's strftime in the C locale, for a local time without a zone.</summary>
internal static class Strftime
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    public static string Format(DateTimeOffset time, string format)
    {
        var text = new StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }

            char flag = format[i + 1] is '-' or '_' or '0' or '^' && i + 2 < format.Length ? format[++i] : ' ';
            string field = Field(time, format[++i]) ?? $"%{(flag == ' ' ? string.Empty : flag.ToString())}{format[i]}";
            text.Append(flag switch
            {
                '-' => Unpadded(field),
                '_' => Unpadded(field).PadLeft(field.Length),
                '0' => field.Replace(' ', '0'),
                '^' => field.ToUpperInvariant(),
                _ => field,
            });
        }

        return text.ToString();
    }

    private static string Unpadded(string field)
    {
        string trimmed = field.TrimStart('0', ' ');
        return trimmed.Length > 0 && char.IsAsciiDigit(trimmed[0]) ? trimmed
            : field.Length > 0 && char.IsAsciiDigit(field[^1]) ? "0"
            : field;
    }

    private static string? Field(DateTimeOffset time, char code) => code switch
    {
        'a' => time.ToString("ddd", Culture),
        'A' => time.ToString("dddd", Culture),
        'b' or 'h' => time.ToString("MMM", Culture),
        'B' => time.ToString("MMMM", Culture),
        'c' => Format(time, "%a %b %e %H:%M:%S %Y"),
        'C' => Number(time.Year / 100, 2),
        'd' => Number(time.Day, 2),
        'D' or 'x' => Format(time, "%m/%d/%y"),
        'e' => time.Day.ToString(Culture).PadLeft(2),
        'f' => Number((int)(time.Ticks % TimeSpan.TicksPerSecond / 10), 6),
        'F' => Format(time, "%Y-%m-%d"),
        'G' => Number(ISOWeek.GetYear(time.DateTime), 4),
        'H' => Number(time.Hour, 2),
        'I' => Number(((time.Hour + 11) % 12) + 1, 2),
        'j' => Number(time.DayOfYear, 3),
        'k' => time.Hour.ToString(Culture).PadLeft(2),
        'l' => (((time.Hour + 11) % 12) + 1).ToString(Culture).PadLeft(2),
        'm' => Number(time.Month, 2),
        'M' => Number(time.Minute, 2),
        'n' => "\n",
        'p' => time.Hour < 12 ? "AM" : "PM",
        'P' => time.Hour < 12 ? "am" : "pm",
        'r' => Format(time, "%I:%M:%S %p"),
        'R' => Format(time, "%H:%M"),
        's' => time.ToUnixTimeSeconds().ToString(Culture),
        'S' => Number(time.Second, 2),
        't' => "\t",
        'T' or 'X' => Format(time, "%H:%M:%S"),
        'u' => (time.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)time.DayOfWeek).ToString(Culture),
        'U' => Number((time.DayOfYear + 6 - (int)time.DayOfWeek) / 7, 2),
        'V' => Number(ISOWeek.GetWeekOfYear(time.DateTime), 2),
        'w' => ((int)time.DayOfWeek).ToString(Culture),
        'W' => Number((time.DayOfYear + 6 - (((int)time.DayOfWeek + 6) % 7)) / 7, 2),
        'y' => Number(time.Year % 100, 2),
        'Y' => time.Year.ToString(Culture),
        'z' or 'Z' => string.Empty,
        '%' => "%",
        _ => null,
    };

    private static string Number(int value, int digits) => value.ToString(Culture).PadLeft(digits, '0');
}
