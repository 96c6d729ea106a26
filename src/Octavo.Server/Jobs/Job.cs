namespace Octavo.Server.Jobs;

/// <summary>A request that has passed every check and only needs to be run.</summary>
/// <param name="Id">The answer's id.</param>
/// <param name="Prompts">The prompts; each is answered <see cref="SamplingParams.N"/> times.</param>
/// <param name="Sampling">How.</param>
/// <param name="Options">What else it says of itself; <see cref="JobRun"/> gives each prompt an id.</param>
/// <param name="Beams">How beam search answers it; null samples.</param>
internal sealed record Job(
    string Id,
    IReadOnlyList<PreparedPrompt> Prompts,
    SamplingParams Sampling,
    RequestOptions Options,
    BeamSearchParams? Beams = null);
