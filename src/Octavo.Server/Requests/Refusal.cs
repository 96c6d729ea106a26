using Octavo.Server.Http;

namespace Octavo.Server.Requests;

/// <summary>Readers of fields that are known and not supported: they must not seem to have had an effect.</summary>
internal static class Refusal
{
    /// <summary>Refuses whatever says something.</summary>
    public static Action<object, JsonValue> Always { get; } = (_, value) =>
    {
        if (!value.IsEmpty)
        {
            throw ApiException.NotSupported(value.Path);
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
}
