namespace Octavo.Text.Prompts;

/// <summary>What a chat template made of a conversation.</summary>
/// <param name="Text">The prompt.</param>
/// <param name="Own">
/// The parts of it that the template itself wrote: its literals, the special tokens and the roles. Only there may a
/// special token stand for itself; what the conversation's values hold is text.
/// </param>
internal sealed record RenderedPrompt(string Text, TextSpans Own)
{
    /// <summary>The same up to a place.</summary>
    public RenderedPrompt CutAt(int length)
    {
        TextSpans own = new();
        own.AddFrom(Own, 0, length, 0);
        return new RenderedPrompt(Text[..length], own);
    }
}
