namespace Octavo.Engine;

/// <summary>A request as it comes in.</summary>
internal sealed record EngineRequest
{
    /// <summary>Unique among the requests in flight.</summary>
    public required string Id { get; init; }

    /// <summary>The prompt's text, where it was given as text; it is handed back, not read.</summary>
    public string? Prompt { get; init; }

    /// <summary>The prompt.</summary>
    public required IReadOnlyList<int> PromptTokenIds { get; init; }

    /// <summary>How to answer it.</summary>
    public SamplingParams Parameters { get; init; } = new();

    /// <summary>What else it says about itself; <see cref="Id"/> stands for its id.</summary>
    public RequestOptions Options { get; init; } = new();
}
