namespace Octavo.Server.Protocols.OpenAI;

/// <summary>A message of a conversation.</summary>
/// <param name="Role">Who speaks.</param>
/// <param name="Content">What is said; several parts are joined.</param>
/// <param name="Fields">All that the template sees, these two first.</param>
/// <param name="Mentioned">What counts only where the template mentions it.</param>
internal sealed record ConversationMessage(
    string Role, string Content, Dictionary<string, object?> Fields, List<MentionedField> Mentioned);

/// <summary>A field of a body that counts only where the template mentions it.</summary>
/// <param name="Path">Where it stands.</param>
/// <param name="Names">The names that the template may have for it.</param>
/// <param name="IsNeeded">Whether a request is refused whose template mentions none; else the log hears.</param>
internal readonly record struct MentionedField(string Path, string[] Names, bool IsNeeded);
