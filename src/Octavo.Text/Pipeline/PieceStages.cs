using System.Text;
using Octavo.Text.Patterns;
using Octavo.Text.Tokens;

namespace Octavo.Text.Pipeline;

/// <summary>Spells a piece in the byte-level alphabet, for a model whose tokens are spelled so.</summary>
internal sealed class ByteSpellingStage(TextStage next) : TextStage
{
    public override void Accept(ReadOnlySpan<char> piece, bool first, List<int> ids) =>
        next.Accept(ByteAlphabet.Spell(piece), first, ids);
}

/// <summary>Which pieces get the replacement of a blank put first.</summary>
internal enum PrependScheme
{
    /// <summary>All that do not begin with it.</summary>
    Always,

    /// <summary>The one that the text begins with, unless it begins with it.</summary>
    First,

    /// <summary>None.</summary>
    Never,
}

/// <summary>Blanks become a visible character, and that may begin each word.</summary>
internal sealed class MetaspaceStage : TextStage
{
    private readonly string _replacement;
    private readonly PrependScheme _scheme;
    private readonly TextStage _next;

    public MetaspaceStage(string replacement, PrependScheme scheme, bool split, TextStage next)
    {
        (_replacement, _scheme) = (replacement, scheme);
        _next = split
            ? new SplitStage(new LiteralPattern(replacement), SplitBehavior.MergedWithNext, invert: false, next)
            : next;
    }

    public override void Accept(ReadOnlySpan<char> piece, bool first, List<int> ids)
    {
        string text = piece.ToString().Replace(" ", _replacement, StringComparison.Ordinal);
        bool prepend = _scheme == PrependScheme.Always || (_scheme == PrependScheme.First && first);
        _next.Accept(
            prepend && !text.StartsWith(_replacement, StringComparison.Ordinal) ? _replacement + text : text,
            first,
            ids);
    }
}

/// <summary>Cuts after each so many characters.</summary>
internal sealed class FixedLengthStage(int length, TextStage next) : TextStage
{
    public override void Accept(ReadOnlySpan<char> piece, bool first, List<int> ids)
    {
        int start = 0;
        while (start < piece.Length)
        {
            int end = start;
            for (int i = 0; i < length && end < piece.Length; i++)
            {
                end += char.IsHighSurrogate(piece[end]) ? 2 : 1;
            }

            next.Accept(piece[start..end], first && start == 0, ids);
            start = end;
        }
    }
}

/// <summary>Cuts where one script follows another; blanks, and what has no script, belong to either.</summary>
internal sealed class ScriptStage(TextStage next) : TextStage
{
    public override void Accept(ReadOnlySpan<char> piece, bool first, List<int> ids)
    {
        int start = -1; // what stands before the first character of a script is dropped, as the library does
        int last = UnicodeScripts.Any;
        int position = 0;
        foreach (Rune rune in piece.EnumerateRunes())
        {
            int script = UnicodeScripts.Of(rune);
            if (script != UnicodeScripts.Any)
            {
                if (start < 0)
                {
                    start = position;
                }
                else if (script != last)
                {
                    next.Accept(piece[start..position], first && start == 0, ids);
                    start = position;
                }

                last = script;
            }

            position += rune.Utf16SequenceLength;
        }

        if (start >= 0)
        {
            next.Accept(piece[start..], first && start == 0, ids);
        }
    }
}
