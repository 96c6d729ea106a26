using System.Buffers;

namespace Octavo.Formats;

/// <summary>
/// JSON as Python writes it: its <c>json</c> module spells numbers that are not finite <c>Infinity</c>,
/// <c>-Infinity</c> and <c>NaN</c>, and editors put a byte order mark before a file. Neither is JSON; both stand in
/// models' files.
/// </summary>
internal static class PythonJson
{
    private static readonly SearchValues<byte> Telling = SearchValues.Create("\"IN"u8);

    private static ReadOnlySpan<byte> Infinity => "1e999"u8;

    private static ReadOnlySpan<byte> NaN => "\"NaN\""u8;

    /// <summary>The words of a single value as the file had them, for messages.</summary>
    public static string AsWritten(string json) => json switch
    {
        "1e999" => "Infinity",
        "-1e999" => "-Infinity",
        "\"NaN\"" => "NaN",
        _ => json,
    };

    /// <summary>
    /// The same as plain JSON: without the mark, infinities as numbers that are too large for a double, and NaN, for
    /// which there is no number, as the string <c>"NaN"</c>: who needs a number there complains of it, and nobody else
    /// does.
    /// </summary>
    public static ReadOnlyMemory<byte> ToJson(ReadOnlyMemory<byte> text)
    {
        if (text.Span.StartsWith("\uFEFF"u8))
        {
            text = text[3..];
        }

        ArrayBufferWriter<byte>? output = null;
        ReadOnlySpan<byte> rest = text.Span;
        while (rest.IndexOfAny(Telling) is >= 0 and int at)
        {
            ReadOnlySpan<byte> json = default;
            int length = 1;
            if (rest[at] == '"')
            {
                length = StringLength(rest[at..]);
            }
            else if (rest[at..].StartsWith("Infinity"u8))
            {
                length = 8;
                json = Infinity;
            }
            else if (rest[at..].StartsWith("NaN"u8))
            {
                length = 3;
                json = NaN;
            }

            if (!json.IsEmpty && output is null)
            {
                output = new ArrayBufferWriter<byte>(text.Length + 64);
                output.Write(text.Span[..^rest.Length]);
            }

            output?.Write(rest[..at]);
            output?.Write(json.IsEmpty ? rest.Slice(at, length) : json);
            rest = rest[(at + length)..];
        }

        output?.Write(rest);
        return output?.WrittenMemory ?? text;
    }

    // From quote to quote; all that is left where the string does not end.
    private static int StringLength(ReadOnlySpan<byte> text)
    {
        for (int i = 1; i < text.Length; i++)
        {
            if (text[i] == '"')
            {
                return i + 1;
            }

            i += text[i] == '\\' ? 1 : 0;
        }

        return text.Length;
    }
}
