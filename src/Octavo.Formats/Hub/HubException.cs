namespace Octavo.Formats;

/// <summary>Why a model could not be had from the hub.</summary>
public enum HubFailure
{
    /// <summary>There is no such model, revision or file, or it is private.</summary>
    NotFound,

    /// <summary>Its terms must be accepted, or a token given that may read it.</summary>
    Forbidden,

    /// <summary>What there is cannot be chosen from without another word, or is no model.</summary>
    NoModel,

    /// <summary>It would have to be fetched, and <c>HF_HUB_OFFLINE</c> forbids that.</summary>
    Offline,

    /// <summary>The hub cannot be reached, or does not answer as it should.</summary>
    Unavailable,

    /// <summary>What came is not what the hub says it is.</summary>
    Damaged,

    /// <summary>This machine cannot store it.</summary>
    Storage,
}

/// <summary>A model could not be had from the hub; the message says which and why, and what would help.</summary>
public sealed class HubException : Exception
{
    /// <summary>A problem with a model of the hub.</summary>
    /// <param name="failure">Its kind.</param>
    /// <param name="name">The model, or a file of it.</param>
    /// <param name="problem">What is wrong, and what would help.</param>
    /// <param name="inner">What it came from.</param>
    public HubException(HubFailure failure, string name, string problem, Exception? inner = null)
        : base($"{name}: {problem}", inner) => (Failure, Name) = (failure, name);

    /// <summary>The kind of problem.</summary>
    public HubFailure Failure { get; }

    /// <summary>The model, or a file of it.</summary>
    public string Name { get; }

    /// <summary>Whether the same request may well succeed a little later.</summary>
    internal bool IsTransient { get; init; }

    /// <summary>How long the hub asks to wait; null where it says nothing.</summary>
    internal TimeSpan? RetryAfter { get; init; }
}
