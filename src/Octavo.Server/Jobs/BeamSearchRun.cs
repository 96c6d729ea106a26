using System.Runtime.CompilerServices;

namespace Octavo.Server.Jobs;

/// <summary>Beam search in the form of any other run: one output, when it has ended.</summary>
internal static class BeamSearchRun
{
    public static async IAsyncEnumerable<RequestOutput> RunAsync(
        AsyncEngine engine,
        PreparedPrompt prompt,
        BeamSearchParams parameters,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        BeamSearchOutput found = await engine.BeamSearchAsync(prompt.TokenIds, parameters, cancellationToken);
        yield return found.ToRequestOutput(string.Empty, null);
    }
}
