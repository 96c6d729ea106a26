namespace Octavo.Server.Jobs;

/// <summary>A prompt as the engine will read it.</summary>
/// <param name="TokenIds">Its tokens.</param>
/// <param name="Text">Its text; empty where the engine runs without a tokenizer.</param>
/// <param name="TextTokens">Which of the tokens spell the text; those around them were added by the tokenizer.</param>
/// <param name="CutTokens">
/// The tokens that truncation took from the text's beginning, which the text still holds.
/// </param>
internal sealed record PreparedPrompt(int[] TokenIds, string Text, Range TextTokens, int[] CutTokens);
