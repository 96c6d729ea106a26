using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Text.Templates;

namespace Octavo.Cli.Render;

/// <summary>A conversation as the commands read it from JSON.</summary>
/// <param name="Input">What the template is given; special tokens only where the JSON has them.</param>
/// <param name="HasSpecialTokens">Whether it does.</param>
internal sealed record ConversationJson(TemplateInput Input, bool HasSpecialTokens)
{
    /// <summary>What a command's help says of it.</summary>
    public const string Help = "The conversation as JSON: a list of messages, or an object with messages, tools, "
        + "documents, kwargs and special_tokens.";

    private const string AddGenerationPrompt = "add_generation_prompt";
    private const string ContinueFinalMessage = "continue_final_message";

    /// <summary>Reads all of an input.</summary>
    /// <exception cref="UsageException">It is malformed, or holds what does not belong there.</exception>
    public static ConversationJson Read(TextReader input)
    {
        try
        {
            return Parse(input.ReadToEnd());
        }
        catch (JsonException e)
        {
            throw new UsageException($"the conversation is not right: {e.Message}");
        }
    }

    /// <summary>Reads a list of messages, or an object.</summary>
    /// <exception cref="JsonException">It is malformed, or holds what does not belong there.</exception>
    public static ConversationJson Parse(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement root = document.RootElement;
        if (root.ValueKind == JsonValueKind.Array)
        {
            return new(new TemplateInput { Messages = List(root, "messages") }, HasSpecialTokens: false);
        }

        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new JsonException("expected a list of messages, or an object");
        }

        Dictionary<string, JsonElement> fields = Members(root);
        if (fields.Keys.FirstOrDefault(IsUnknown) is { } unknown)
        {
            throw new JsonException(
                $"'{unknown}' is none of messages, tools, documents, kwargs, special_tokens; variables go into kwargs");
        }

        Dictionary<string, object?> arguments = Find("kwargs") is { } kwargs
            ? Members(kwargs).ToDictionary(a => a.Key, a => TemplateJson.Read(a.Value))
            : [];
        arguments.Remove(AddGenerationPrompt, out object? opens);
        arguments.Remove(ContinueFinalMessage, out object? goesOn);
        Dictionary<string, string> tokens = Find("special_tokens") is { } given
            ? Members(given).ToDictionary(t => t.Key, t => TemplateJson.Read(t.Value) as string
                ?? throw new JsonException($"special_tokens.{t.Key} must be a string"))
            : [];
        return new(
            new TemplateInput
            {
                Messages = List(
                    Find("messages") ?? throw new JsonException("messages is missing"), "messages"),
                Tools = Find("tools") is { } tools ? List(tools, "tools") : null,
                Documents = Find("documents") is { } documents ? List(documents, "documents") : null,
                AddGenerationPrompt = opens is true,
                ContinueFinalMessage = goesOn is true ? "content" : goesOn as string,
                SpecialTokens = tokens,
                Arguments = arguments,
            },
            HasSpecialTokens: tokens.Count > 0);

        JsonElement? Find(string name) =>
            fields.TryGetValue(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    private static bool IsUnknown(string name) =>
        name is not ("messages" or "tools" or "documents" or "kwargs" or "special_tokens");

    private static List<object?> List(JsonElement json, string name) => json.ValueKind == JsonValueKind.Array
        ? [.. json.EnumerateArray().Select(TemplateJson.Read)]
        : throw new JsonException($"{name} must be a list");

    private static Dictionary<string, JsonElement> Members(JsonElement json)
    {
        Dictionary<string, JsonElement> members = new(StringComparer.Ordinal);
        foreach (JsonProperty member in json.ValueKind == JsonValueKind.Object
            ? json.EnumerateObject()
            : throw new JsonException("expected an object"))
        {
            members[member.Name] = member.Value;
        }

        return members;
    }
}
