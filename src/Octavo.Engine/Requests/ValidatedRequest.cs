using Octavo.Engine;

namespace Octavo;

/// <summary>
/// A request that an engine has found right, and can run without asking again. The prompt's tokens are a copy.
/// </summary>
public sealed class ValidatedRequest
{
    private readonly EngineRequest _request;

    internal ValidatedRequest(EngineRequest request, int maxOutputTokens)
    {
        (_request, MaxOutputTokens) = (request, maxOutputTokens);
        PromptTokenIds = [.. request.PromptTokenIds];
    }

    /// <summary>Unique among the requests in flight.</summary>
    public string Id => _request.Id;

    /// <summary>The prompt's text, where it was given as text.</summary>
    public string? Prompt => _request.Prompt;

    /// <summary>How it is answered.</summary>
    public SamplingParams Parameters => _request.Parameters;

    /// <summary>What else it says about itself.</summary>
    public RequestOptions Options => _request.Options;

    /// <summary>The most tokens of each completion, by its own limit and the model's length.</summary>
    public int MaxOutputTokens { get; }

    internal int[] PromptTokenIds { get; }
}
