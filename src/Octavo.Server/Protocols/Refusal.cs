using System.Text.Json;

namespace Octavo.Server.Protocols;

/// <summary>
/// Readers of fields that are known and not supported. What would change the answer is refused, so that it does not
/// seem to have had an effect; a value that changes nothing is accepted.
/// </summary>
internal static class Refusal
{
    /// <summary>Refuses whatever says something.</summary>
    public static Action<object, JsonValue> Always { get; } = Instead(null);

    /// <summary>Accepts any value; where it says something, the log names the field.</summary>
    public static Action<object, JsonValue> Never { get; } = (_, value) =>
    {
        if (!value.IsEmpty)
        {
            value.Notes?.AddWithoutEffect(value.Path);
        }
    };

    /// <summary>Accepts any value: the field asks for nothing that a server could leave out.</summary>
    public static Action<object, JsonValue> Quiet { get; } = (_, _) => { };

    /// <summary>Refuses whatever says something, and tells what to use.</summary>
    public static Action<object, JsonValue> Instead(string? use) => (_, value) =>
    {
        if (!value.IsEmpty)
        {
            throw ApiException.NotSupported(value.Path, use);
        }
    };

    /// <summary>Refuses all but these strings.</summary>
    public static Action<object, JsonValue> Unless(params string[] accepted) => (_, value) =>
    {
        if (!value.IsString || !accepted.Contains(value.Text(), StringComparer.Ordinal))
        {
            throw ApiException.NotSupported(value.Path, "supported: " + string.Join(", ", accepted));
        }
    };

    /// <summary>Refuses all numbers but the one that changes nothing.</summary>
    public static Action<object, JsonValue> UnlessNumber(double neutral, string? use = null) =>
        UnlessNumber(n => n == neutral, use);

    /// <summary>Refuses the numbers that change something.</summary>
    public static Action<object, JsonValue> UnlessNumber(
        Func<double, bool> changesNothing, string? use = null) => (_, value) =>
    {
        bool neutral = value.Element.ValueKind == JsonValueKind.Number ? changesNothing(value.Double()) : value.IsEmpty;
        if (!neutral)
        {
            throw ApiException.NotSupported(value.Path, use);
        }
    };

    /// <summary>Refuses false, where true is what happens anyway.</summary>
    public static Action<object, JsonValue> UnlessTrue(string? use = null) => (_, value) =>
    {
        if (!value.Bool())
        {
            throw ApiException.NotSupported(value.Path, use);
        }
    };
}
