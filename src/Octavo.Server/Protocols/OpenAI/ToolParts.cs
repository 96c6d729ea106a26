using System.Text.Json;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>Tools and calls of them, as templates see them: as the body has them, with arguments as a map.</summary>
internal static class ToolParts
{
    private const string Function = "function";
    private const string Arguments = "arguments";

    /// <summary>Refuses tools that no model could call.</summary>
    public static void CheckTools(List<object?> tools)
    {
        int wrong = tools.FindIndex(t => t is not Dictionary<string, object?> tool
            || tool.GetValueOrDefault("type") is not Function || !HasName(tool));
        if (wrong >= 0)
        {
            string path = $"tools[{wrong}]";
            throw ApiException.BadRequest(
                path, $"{path} must be {{\"type\": \"function\", \"function\": {{\"name\": …}}}}");
        }
    }

    /// <summary>The calls in an answer. As in vLLM, arguments that are JSON in a string are read.</summary>
    public static List<object?> ReadCalls(JsonValue value) => [.. value.Items().Select(call =>
    {
        Dictionary<string, object?> members =
            call.Map(m => m.Path.EndsWith("." + Function, StringComparison.Ordinal) && m.IsObject
                ? m.Map(f => f.Path.EndsWith("." + Arguments, StringComparison.Ordinal) ? ReadArguments(f) : f.Plain())
                : m.Plain());
        if (!HasName(members))
        {
            throw call.Error("must have a function with a name");
        }

        ((Dictionary<string, object?>)members[Function]!).TryAdd(Arguments, new Dictionary<string, object?>());
        return (object?)members;
    })];

    private static bool HasName(Dictionary<string, object?> members) =>
        members.GetValueOrDefault(Function) is Dictionary<string, object?> function
        && function.GetValueOrDefault("name") is string { Length: > 0 };

    private static object? ReadArguments(JsonValue value)
    {
        if (value.IsEmpty)
        {
            return new Dictionary<string, object?>();
        }

        if (!value.IsString)
        {
            return value.Plain();
        }

        try
        {
            using JsonDocument arguments = JsonDocument.Parse(value.Text());
            return new JsonValue(value.Path, arguments.RootElement).Plain();
        }
        catch (JsonException)
        {
            throw value.Error("must be JSON");
        }
    }
}
