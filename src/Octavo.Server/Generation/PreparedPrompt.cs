namespace Octavo.Server.Generation;

/// <summary>A prompt as the engine will read it.</summary>
/// <param name="TokenIds">Its tokens.</param>
/// <param name="Text">Its text; empty where the engine runs without a tokenizer.</param>
/// <param name="TextTokens">Which of the tokens spell the text; those around them were added by the tokenizer.</param>
/// <param name="CutTokens">The tokens that truncation took from the text's beginning, which the text still holds.</param>
internal sealed record PreparedPrompt(int[] TokenIds, string Text, Range TextTokens, int[] CutTokens);

/// <summary>A request that has passed every check and only needs to be run.</summary>
/// <param name="Id">The answer's id.</param>
/// <param name="Prompts">The prompts; each is answered <see cref="SamplingParams.N"/> times.</param>
/// <param name="Sampling">How.</param>
internal sealed record Job(string Id, IReadOnlyList<PreparedPrompt> Prompts, SamplingParams Sampling);
