namespace Octavo.Server.Jobs;

/// <summary>A request that has passed every check and only needs to be run.</summary>
/// <param name="Id">The answer's id.</param>
/// <param name="Prompts">The prompts.</param>
/// <param name="Requests">What the engine is asked for each of them.</param>
/// <param name="Beams">How beam search answers it; null samples.</param>
internal sealed record Job(
    string Id,
    IReadOnlyList<PreparedPrompt> Prompts,
    IReadOnlyList<ValidatedRequest> Requests,
    BeamSearchParams? Beams = null)
{
    /// <summary>Answers to each prompt.</summary>
    public int N => Requests[0].Parameters.N;
}
