using System.Runtime.CompilerServices;

namespace Octavo.Server.Generation;

/// <summary>Beam search in the form of any other run: one output, when it has ended.</summary>
internal static class BeamSearchRun
{
    public static async IAsyncEnumerable<RequestOutput> RunAsync(
        AsyncEngine engine,
        PreparedPrompt prompt,
        SamplingParams sampling,
        double lengthPenalty,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var parameters = new BeamSearchParams
        {
            BeamWidth = sampling.N,
            MaxTokens = sampling.MaxTokens!.Value,
            IgnoreEos = sampling.IgnoreEos,
            LengthPenalty = lengthPenalty,
        };
        BeamSearchOutput found = await engine.BeamSearchAsync(Prompt.FromTokenIds(prompt.TokenIds), parameters, cancellationToken);
        yield return found.ToRequestOutput(string.Empty, null);
    }
}
