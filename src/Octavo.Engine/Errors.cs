namespace Octavo.Engine;

/// <summary>A request that is refused because too many are before it; the same request may do better later.</summary>
public sealed class EngineOverloadedException(string message, TimeSpan retryAfter) : Exception(message)
{
    /// <summary>When it is worth another try, by the engine's own estimate.</summary>
    public TimeSpan RetryAfter { get; } = retryAfter;
}

/// <summary>The model computed what no answer can be made of: its weights, or the arithmetic over them, are at fault.</summary>
public sealed class ModelOutputException(string message) : Exception(message);

/// <summary>A request that did not end in the time it had.</summary>
public sealed class RequestTimeoutException(string message) : Exception(message);

/// <summary>Engine settings that cannot work together or on this machine; the message names them.</summary>
public sealed class EngineConfigurationException(string message) : Exception(message);
