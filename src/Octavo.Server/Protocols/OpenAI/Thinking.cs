using System.Text.Json;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>
/// The many spellings of "think" and "don't". To think is refused, until it works. Not to think is what happens here,
/// unless the model's template has a switch that says otherwise by default (<see cref="CheckOff"/>).
/// </summary>
internal static class Thinking
{
    private const string Instead = "give what the model's template knows in chat_template_kwargs";

    // How templates call the switch.
    private static readonly string[] Switches = ["enable_thinking", "thinking"];

    public static void Read(object request, JsonValue value)
    {
        if (!IsOff(value))
        {
            throw ApiException.NotSupported(value.Path, Instead);
        }

        value.Notes?.AddWithoutEffect(value.Path);
        if (request is ChatRequest chat
            && !value.IsNull
            && (value.IsString || !value.IsEmpty || value.Element.ValueKind == JsonValueKind.False))
        {
            chat.ThinkingOff = value.Path;
        }
    }

    /// <summary>Tokens to think with: 0 asks not to think, and less sets no limit.</summary>
    public static void ReadBudget(object request, JsonValue value)
    {
        if (value.Element.ValueKind != JsonValueKind.Number || value.Double() > 0)
        {
            Refusal.Instead("use thinking_token_budget")(request, value);
        }
        else if (value.Double() == 0)
        {
            Read(request, value);
        }
    }

    /// <summary>Refuses to switch off what the template may switch on.</summary>
    public static void CheckOff(ChatRequest request, ChatPrompts prompts)
    {
        if (request.ThinkingOff is { } field && Array.Exists(Switches, name => prompts.Mentions(name)))
        {
            throw ApiException.NotSupported(field, Instead);
        }
    }

    // false, "none", {"type": "disabled"}, {"enabled": false}, {"effort": "none"}; and what says nothing.
    private static bool IsOff(JsonValue value) => value.IsEmpty || value.Element.ValueKind switch
    {
        JsonValueKind.String => value.Text() is "none" or "off" or "disabled" or "false",
        JsonValueKind.Number => value.Double() == 0,
        JsonValueKind.Object => value.Members().All(m => IsOff(m.Value)),
        _ => false,
    };
}
