using System.Diagnostics;
using System.Globalization;
using System.Text;
using Octavo.Text.Models;
using Octavo.Text.Patterns;

namespace Octavo.Text.Pipeline;

/// <summary>
/// One stage on the way from text to ids: it cuts the piece it is given and hands the pieces on. The last stage is
/// <see cref="ModelStage"/>. Stages keep no state between calls, so all threads share one chain.
/// </summary>
internal abstract class TextStage
{
    /// <summary>Takes one piece.</summary>
    /// <param name="piece">The piece, not empty.</param>
    /// <param name="first">Whether the text begins with it.</param>
    /// <param name="ids">Where the ids go.</param>
    public abstract void Accept(ReadOnlySpan<char> piece, bool first, List<int> ids);
}

/// <summary>The end of the chain: a piece is a word, and its tokens are appended.</summary>
internal sealed class ModelStage(TextModel model) : TextStage
{
    public override void Accept(ReadOnlySpan<char> piece, bool first, List<int> ids) => model.Encode(piece, ids);
}

/// <summary>Puts a space before a piece that does not begin with one.</summary>
internal sealed class PrefixSpaceStage(TextStage next) : TextStage
{
    public override void Accept(ReadOnlySpan<char> piece, bool first, List<int> ids)
    {
        if (piece.Length > 0 && piece[0] == ' ')
        {
            next.Accept(piece, first, ids);
        }
        else
        {
            next.Accept(string.Concat(" ", piece), first, ids);
        }
    }
}

/// <summary>Cuts numbers out: each digit by itself, or each run of them.</summary>
internal sealed class DigitsStage(bool individual, TextStage next) : TextStage
{
    public override void Accept(ReadOnlySpan<char> piece, bool first, List<int> ids)
    {
        int start = 0;
        int position = 0;
        bool inDigits = false;
        while (position < piece.Length)
        {
            _ = Rune.DecodeFromUtf16(piece[position..], out Rune rune, out int length);
            bool digit = Rune.GetUnicodeCategory(rune)
                is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;
            if (position > start && (digit != inDigits || (digit && individual)))
            {
                next.Accept(piece[start..position], first && start == 0, ids);
                start = position;
            }

            inDigits = digit;
            position += length;
        }

        if (start < piece.Length)
        {
            next.Accept(piece[start..], first && start == 0, ids);
        }
    }
}

/// <summary>What becomes of the matches of a <see cref="SplitStage"/>.</summary>
internal enum SplitBehavior
{
    /// <summary>A match is dropped.</summary>
    Removed,

    /// <summary>A match is a piece.</summary>
    Isolated,

    /// <summary>A match joins the piece before it.</summary>
    MergedWithPrevious,

    /// <summary>A match joins the piece after it.</summary>
    MergedWithNext,

    /// <summary>Adjacent matches make one piece.</summary>
    Contiguous,
}

/// <summary>Cuts at the matches of a pattern.</summary>
internal sealed class SplitStage(TextPattern pattern, SplitBehavior behavior, bool invert, TextStage next) : TextStage
{
    /// <summary>The stage that cuts so.</summary>
    public static TextStage Make(TextPattern pattern, SplitBehavior behavior, bool invert, TextStage next) =>
        (pattern, behavior, invert) switch
        {
            (WordPattern words, SplitBehavior.Isolated, _) => new WordStage(words, keepsGaps: true, next),
            (WordPattern words, SplitBehavior.Removed, true) => new WordStage(words, keepsGaps: false, next),
            _ => new SplitStage(pattern, behavior, invert, next),
        };

    private readonly record struct Part(int Start, int End, bool IsMatch);

    public override void Accept(ReadOnlySpan<char> piece, bool first, List<int> ids)
    {
        Scratch scratch = Scratch.Rent();
        try
        {
            pattern.FindAll(piece, scratch.Matches);
            CutAll(piece.Length, scratch);
            Arrange(scratch.Parts);
            foreach (Part part in scratch.Parts)
            {
                if (part.End > part.Start)
                {
                    next.Accept(piece[part.Start..part.End], first && part.Start == 0, ids);
                }
            }
        }
        finally
        {
            Scratch.Return(scratch);
        }
    }

    /// <summary>The matches and what lies between them, covering the piece.</summary>
    private void CutAll(int length, Scratch scratch)
    {
        int position = 0;
        foreach (TextMatch match in scratch.Matches)
        {
            if (position != match.Start)
            {
                scratch.Parts.Add(new Part(position, match.Start, invert));
            }

            scratch.Parts.Add(new Part(match.Start, match.End, !invert));
            position = match.End;
        }

        if (position != length)
        {
            scratch.Parts.Add(new Part(position, length, invert));
        }
    }

    private void Arrange(List<Part> parts)
    {
        switch (behavior)
        {
            case SplitBehavior.Removed:
                parts.RemoveAll(part => part.IsMatch);
                break;
            case SplitBehavior.Contiguous:
                MergeWhere(parts, (previous, current) => previous == current);
                break;
            case SplitBehavior.MergedWithPrevious:
                MergeWhere(parts, (previous, current) => current && !previous);
                break;
            case SplitBehavior.MergedWithNext:
                parts.Reverse();
                MergeWhere(parts, (next, current) => current && !next);
                parts.Reverse();
                break;
            case SplitBehavior.Isolated:
                break;
            default:
                throw new UnreachableException($"{behavior}");
        }
    }

    /// <summary>Joins a part to its predecessor in the list where the rule on their kinds says so.</summary>
    private static void MergeWhere(List<Part> parts, Func<bool, bool, bool> joins)
    {
        int kept = 0;
        bool previous = false;
        for (int i = 0; i < parts.Count; i++)
        {
            Part part = parts[i];
            if (kept > 0 && joins(previous, part.IsMatch))
            {
                Part last = parts[kept - 1];
                parts[kept - 1] = last with
                {
                    Start = Math.Min(last.Start, part.Start),
                    End = Math.Max(last.End, part.End),
                };
            }
            else
            {
                parts[kept] = part;
                kept++;
            }

            previous = part.IsMatch;
        }

        parts.RemoveRange(kept, parts.Count - kept);
    }

    private sealed class Scratch
    {
        // Kept for the next call, unless one long text made it large.
        private const int KeptCapacity = 1 << 16;

        // A stack, because a stage holds its scratch while it calls the next.
        [ThreadStatic]
        private static Stack<Scratch>? s_free;

        public List<TextMatch> Matches { get; } = [];

        public List<Part> Parts { get; } = [];

        public static Scratch Rent() => s_free?.TryPop(out Scratch? free) == true ? free : new Scratch();

        public static void Return(Scratch scratch)
        {
            scratch.Matches.Clear();
            scratch.Parts.Clear();
            if (scratch.Matches.Capacity <= KeptCapacity && scratch.Parts.Capacity <= KeptCapacity)
            {
                s_free ??= new Stack<Scratch>();
                s_free.Push(scratch);
            }
        }
    }
}
