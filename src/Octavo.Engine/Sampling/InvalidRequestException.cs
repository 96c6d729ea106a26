namespace Octavo.Engine;

/// <summary>A request that cannot be run as it stands; <see cref="Field"/> names the field to change.</summary>
public sealed class InvalidRequestException(string field, string message) : Exception(message)
{
    /// <summary>The field, in the wire's spelling (<c>max_tokens</c>).</summary>
    public string Field { get; } = field;

    /// <summary>True where the prompt is longer than the model's context.</summary>
    public bool IsContextLength { get; init; }
}
