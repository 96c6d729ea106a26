using Octavo.Text.Patterns;

namespace Octavo.Text.Pipeline;

/// <summary>Cuts at the matches of a <see cref="WordPattern"/>, and hands each on before it looks further.</summary>
/// <param name="pattern">The pattern.</param>
/// <param name="keepsGaps">Whether what lies between matches is a piece, too; else it is dropped.</param>
/// <param name="next">Takes the pieces.</param>
internal sealed class WordStage(WordPattern pattern, bool keepsGaps, TextStage next) : TextStage
{
    public override void Accept(ReadOnlySpan<char> piece, bool first, List<int> ids)
    {
        int start = 0; // of what is not matched yet
        int position = 0;
        while (position < piece.Length)
        {
            int end = pattern.Match(piece, position);
            if (end == position)
            {
                position = WordPattern.SkipCharacter(piece, position);
                continue;
            }

            AcceptGap(piece, start, position, first, ids);
            next.Accept(piece[position..end], first && position == 0, ids);
            start = position = end;
        }

        AcceptGap(piece, start, position, first, ids);
    }

    private void AcceptGap(ReadOnlySpan<char> piece, int start, int end, bool first, List<int> ids)
    {
        if (keepsGaps && end > start)
        {
            next.Accept(piece[start..end], first && start == 0, ids);
        }
    }
}
