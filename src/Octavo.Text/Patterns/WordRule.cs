namespace Octavo.Text.Patterns;

/// <summary>One alternative of a <see cref="WordPattern"/>.</summary>
internal abstract class WordRule
{
    /// <summary>Whether a match can begin with an ASCII character.</summary>
    public abstract bool CanBegin(char ascii);

    /// <summary>Where the match at a position ends; the position where there is none.</summary>
    public abstract int Match(ReadOnlySpan<char> text, int position);
}

/// <summary>A literal in ASCII: <c>'re</c>.</summary>
internal sealed class LiteralRule(string literal) : WordRule
{
    public override bool CanBegin(char ascii) => ascii == literal[0];

    public override int Match(ReadOnlySpan<char> text, int position) =>
        text[position..].StartsWith(literal, StringComparison.Ordinal) ? position + literal.Length : position;
}

/// <summary><c>(?i:'s|'t|'re|'ve|'m|'ll|'d)</c>; the long s is an s.</summary>
internal sealed class ContractionRule : WordRule
{
    public override bool CanBegin(char ascii) => ascii == '\'';

    public override int Match(ReadOnlySpan<char> text, int position)
    {
        if (position + 1 >= text.Length || text[position] != '\'')
        {
            return position;
        }

        char second = position + 2 < text.Length ? Fold(text[position + 2]) : '\0';
        int length = (Fold(text[position + 1]), second) switch
        {
            ('s' or 't' or 'm' or 'd', _) => 2,
            ('r' or 'v', 'e') or ('l', 'l') => 3,
            _ => 0,
        };
        return position + length;
    }

    private static char Fold(char c) => c == '\u017F' ? 's' : c < 128 ? (char)(c | 0x20) : c;
}

/// <summary>
/// <c>P?R+T*</c>: a run of one to so many, what may stand before its first, and what is taken along behind it.
/// </summary>
internal sealed class RunRule(CharacterSet? prefix, CharacterSet run, int most, CharacterSet? behind) : WordRule
{
    public override bool CanBegin(char ascii) => run.HasAscii(ascii) || prefix?.HasAscii(ascii) is true;

    public override int Match(ReadOnlySpan<char> text, int position)
    {
        int start = prefix?.Step(text, position) ?? position;
        int end = RunAt(text, start);
        if (end == start && start > position)
        {
            // Without the prefix, where a character is both.
            start = position;
            end = RunAt(text, start);
        }

        return end > start && behind is not null ? behind.Run(text, end) : end;
    }

    private int RunAt(ReadOnlySpan<char> text, int start) =>
        most == int.MaxValue ? run.Run(text, start) : run.Run(text, start, most);
}

/// <summary><c>FR+</c>: a run, and the one character that must stand before it.</summary>
internal sealed class LedRunRule(CharacterSet lead, CharacterSet run) : WordRule
{
    public override bool CanBegin(char ascii) => lead.HasAscii(ascii);

    public override int Match(ReadOnlySpan<char> text, int position)
    {
        int start = lead.Step(text, position);
        int end = start > position ? run.Run(text, start) : position;
        return end > start ? end : position;
    }
}

/// <summary><c>\s*[\r\n]+</c>: blanks up to the last line end among them.</summary>
internal sealed class LineEndRule : WordRule
{
    public override bool CanBegin(char ascii) => CharacterSet.Blank.HasAscii(ascii);

    public override int Match(ReadOnlySpan<char> text, int position)
    {
        int end = CharacterSet.Blank.Run(text, position);
        return position + text[position..end].LastIndexOfAny('\r', '\n') + 1;
    }
}

/// <summary><c>\s+(?!\S)</c>: blanks but the last before a word.</summary>
internal sealed class BlanksBeforeWordRule : WordRule
{
    public override bool CanBegin(char ascii) => CharacterSet.Blank.HasAscii(ascii);

    // All blanks are of the basic plane, so one is one unit.
    public override int Match(ReadOnlySpan<char> text, int position)
    {
        int end = CharacterSet.Blank.Run(text, position);
        return end == text.Length ? end : Math.Max(position, end - 1);
    }
}

/// <summary><c>\s++$</c>: the blanks that end a text.</summary>
internal sealed class BlanksAtEndRule : WordRule
{
    public override bool CanBegin(char ascii) => CharacterSet.Blank.HasAscii(ascii);

    public override int Match(ReadOnlySpan<char> text, int position)
    {
        int end = CharacterSet.Blank.Run(text, position);
        return end == text.Length ? end : position;
    }
}

/// <summary>
/// <c>P?U*L+</c>, where the runs share letters without case: a word that ends where a capital begins the next one.
/// </summary>
internal sealed class CasedWordRule(CharacterSet prefix, CharacterSet upper, CharacterSet lower) : WordRule
{
    public override bool CanBegin(char ascii) =>
        prefix.HasAscii(ascii) || upper.HasAscii(ascii) || lower.HasAscii(ascii);

    public override int Match(ReadOnlySpan<char> text, int position)
    {
        int start = prefix.Step(text, position);
        int end = MatchWord(text, start);
        if (end > start)
        {
            return end;
        }

        // Without the prefix: a mark is both.
        return start > position ? MatchWord(text, position) : position;
    }

    private int MatchWord(ReadOnlySpan<char> text, int start)
    {
        int uppers = upper.Run(text, start);
        int end = lower.Run(text, uppers);
        if (end > uppers)
        {
            return end;
        }

        // The first run gives back characters until one is of the second, too.
        int last = uppers;
        while (last > start)
        {
            int before = last - (last - start > 1 && char.IsLowSurrogate(text[last - 1]) ? 2 : 1);
            if (lower.Step(text, before) > before)
            {
                return last;
            }

            last = before;
        }

        return start;
    }
}

/// <summary>A word, and a contraction behind it if there is one.</summary>
internal sealed class ContractedRule(WordRule word) : WordRule
{
    private static readonly ContractionRule s_contraction = new();

    public override bool CanBegin(char ascii) => word.CanBegin(ascii);

    public override int Match(ReadOnlySpan<char> text, int position)
    {
        int end = word.Match(text, position);
        return end > position ? s_contraction.Match(text, end) : position;
    }
}
