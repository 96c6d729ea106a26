using System.Text;

namespace Octavo.Text.Patterns;

/// <summary>
/// Tokenizer expressions are written for engines that match code points; .NET matches UTF-16 units. This maps each
/// code point outside the basic plane to a stand-in inside it, of the same general category, so that one unit is one
/// code point while matching. A stand-in is never a character that the expression names.
/// </summary>
internal sealed class CodePointText
{
    // By UnicodeCategory; surrogates never need one, because the input is well-formed.
    private readonly char[] _standIns;

    // Of the code points from each of these on; null where it is the category that counts.
    private readonly int[]? _starts;

    /// <summary>Takes what stands for the code points from each of some places on, of which U+10000 is one.</summary>
    public CodePointText(int[] starts, char[] standIns) => (_starts, _standIns) = (starts, standIns);

    /// <summary>Chooses stand-ins that avoid the characters for which <paramref name="named"/> holds.</summary>
    public CodePointText(Func<char, bool> named)
    {
        _standIns = new char[30];
        bool[] chosen = new bool[_standIns.Length];

        // From the top down, since expressions seldom name what lives there.
        for (int c = 0xFFFD; c > 0x7F; c--)
        {
            int category = (int)char.GetUnicodeCategory((char)c);
            if (!chosen[category] && !named((char)c))
            {
                chosen[category] = true;
                _standIns[category] = (char)c;
            }
        }

        for (int category = 0; category < _standIns.Length; category++)
        {
            // Every character of the category is named (Lt, say): any unassigned one will do for what is left.
            _standIns[category] = chosen[category] ? _standIns[category] : '\u0378';
        }
    }

    /// <summary>
    /// One unit per code point in <paramref name="units"/>, and in <paramref name="starts"/> where each began in
    /// <paramref name="text"/>, with the text's length after the last. Returns how many there are.
    /// </summary>
    public int Map(ReadOnlySpan<char> text, Span<char> units, Span<int> starts)
    {
        int count = 0;
        int position = 0;
        while (position < text.Length)
        {
            starts[count] = position;
            char c = text[position];
            if (char.IsHighSurrogate(c))
            {
                _ = Rune.DecodeFromUtf16(text[position..], out Rune rune, out _);
                units[count] = StandInOf(rune);
                position += 2;
            }
            else
            {
                units[count] = c;
                position++;
            }

            count++;
        }

        starts[count] = text.Length;
        return count;
    }

    private char StandInOf(Rune rune)
    {
        if (_starts is null)
        {
            return _standIns[(int)Rune.GetUnicodeCategory(rune)];
        }

        int found = Array.BinarySearch(_starts, rune.Value);
        return _standIns[found >= 0 ? found : ~found - 1];
    }
}
