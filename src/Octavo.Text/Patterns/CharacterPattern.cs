using System.Text;

namespace Octavo.Text.Patterns;

/// <summary>Each character of a kind, by itself.</summary>
internal sealed class CharacterPattern(Func<Rune, bool> matches) : TextPattern
{
    public override void FindAll(ReadOnlySpan<char> text, List<TextMatch> found)
    {
        int position = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            int end = position + rune.Utf16SequenceLength;
            if (matches(rune))
            {
                found.Add(new TextMatch(position, end));
            }

            position = end;
        }
    }
}

/// <summary>Runs of characters of one class each; those of class 0 lie between matches.</summary>
internal sealed class RunPattern(Func<Rune, int> classOf) : TextPattern
{
    public override void FindAll(ReadOnlySpan<char> text, List<TextMatch> found)
    {
        int start = 0;
        int position = 0;
        int current = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            int next = classOf(rune);
            if (next != current)
            {
                Close(current, start, position, found);
                (start, current) = (position, next);
            }

            position += rune.Utf16SequenceLength;
        }

        Close(current, start, position, found);
    }

    private static void Close(int kind, int start, int end, List<TextMatch> found)
    {
        if (kind != 0)
        {
            found.Add(new TextMatch(start, end));
        }
    }
}
