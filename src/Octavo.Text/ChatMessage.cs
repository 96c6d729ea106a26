namespace Octavo.Text;

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">Who speaks: <c>system</c>, <c>user</c> or <c>assistant</c>, as a rule.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatMessage(string Role, string Content)
{
    /// <summary>The content of a message of several texts: they stand on lines of their own, as in vLLM.</summary>
    public static string JoinParts(IEnumerable<string> parts) => string.Join('\n', parts);
}
