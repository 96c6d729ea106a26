namespace Octavo.Server.Jobs;

/// <summary>What a running job has to tell.</summary>
/// <param name="Prompt">The index of the prompt that it concerns.</param>
/// <param name="Output">What is new; null where nothing came for a while.</param>
internal readonly record struct JobEvent(int Prompt, RequestOutput? Output);
