namespace Octavo.Text.Tokens;

/// <summary>
/// The byte-level alphabet of GPT-2: each byte is spelled as one visible character. Printable Latin-1 stands for
/// itself; the other 68 bytes take U+0100, U+0101, … in order.
/// Source: <see href="https://github.com/openai/gpt-2/blob/master/src/encoder.py">bytes_to_unicode</see>.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] s_charOfByte = BuildCharOfByte();
    private static readonly short[] s_byteOfChar = BuildByteOfChar();

    public static char CharOf(byte value) => s_charOfByte[value];

    /// <summary>A text with each byte of its UTF-8 spelled.</summary>
    public static string Spell(ReadOnlySpan<char> text)
    {
        byte[] utf8 = new byte[System.Text.Encoding.UTF8.GetByteCount(text)];
        System.Text.Encoding.UTF8.GetBytes(text, utf8);
        return Spell(utf8);
    }

    /// <summary>Bytes, each spelled as one character.</summary>
    public static string Spell(ReadOnlySpan<byte> bytes) =>
        string.Create(bytes.Length, bytes, static (spelling, source) =>
        {
            for (int i = 0; i < spelling.Length; i++)
            {
                spelling[i] = CharOf(source[i]);
            }
        });

    /// <summary>
    /// Turns a spelling back into bytes. False where a character is outside the alphabet: such a token (an added one)
    /// is plain text.
    /// </summary>
    public static bool TryDecode(ReadOnlySpan<char> token, Span<byte> bytes, out int count)
    {
        count = 0;
        foreach (char c in token)
        {
            if (c >= s_byteOfChar.Length || s_byteOfChar[c] < 0)
            {
                return false;
            }

            bytes[count] = (byte)s_byteOfChar[c];
            count++;
        }

        return true;
    }

    private static bool StandsForItself(int value) =>
        value is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or >= 0xAE;

    private static char[] BuildCharOfByte()
    {
        char[] chars = new char[256];
        int next = 0x100;
        for (int value = 0; value < 256; value++)
        {
            chars[value] = StandsForItself(value) ? (char)value : (char)next++;
        }

        return chars;
    }

    private static short[] BuildByteOfChar()
    {
        short[] bytes = new short[0x100 + 68];
        Array.Fill(bytes, (short)-1);
        for (int value = 0; value < 256; value++)
        {
            bytes[s_charOfByte[value]] = (short)value;
        }

        return bytes;
    }
}
