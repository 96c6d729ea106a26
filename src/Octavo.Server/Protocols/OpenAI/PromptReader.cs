using System.Text.Json;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>Reads the four forms of a completion's prompt.</summary>
internal static class PromptReader
{
    private const string Forms =
        "must be a string, a list of strings, a list of token ids, or a list of lists of token ids";

    public static IReadOnlyList<Prompt> Read(JsonValue value)
    {
        if (value.IsString)
        {
            return [Prompt.FromText(value.Text())];
        }

        if (!value.IsArray || value.IsEmpty)
        {
            throw value.Error(Forms);
        }

        return value.Element[0].ValueKind switch
        {
            JsonValueKind.Number => [Prompt.FromTokenIds(value.Ints())],
            JsonValueKind.String => [.. value.Items().Select(i => Prompt.FromText(i.Text()))],
            JsonValueKind.Array => [.. value.Items().Select(i => Prompt.FromTokenIds(i.Ints()))],
            _ => throw value.Error(Forms),
        };
    }
}
