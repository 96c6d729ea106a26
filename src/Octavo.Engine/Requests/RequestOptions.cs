using Octavo.Engine;

namespace Octavo;

/// <summary>What a request says about itself besides its prompt and sampling.</summary>
/// <remarks>
/// A new fact about a request is a member here and a line where a protocol reads it
/// (<c>Octavo.Server/Protocols/OpenAI/GenerationFields.cs</c>); engine, scheduler and metrics read it from
/// <see cref="ValidatedRequest.Options"/>.
/// </remarks>
public sealed record RequestOptions
{
    /// <summary>Its id, unique among those in flight; null makes one.</summary>
    public string? RequestId { get; init; }

    /// <summary>Lower goes first.</summary>
    public int Priority { get; init; }

    /// <summary>Whose request it is: clients share the engine fairly. Null is nobody in particular.</summary>
    public string? Client { get; init; }

    /// <summary>Requests with different salts share no cached blocks.</summary>
    public string? CacheSalt { get; init; }
}
