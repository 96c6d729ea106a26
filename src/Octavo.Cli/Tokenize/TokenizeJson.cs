using System.Text.Json;

namespace Octavo.Cli.Tokenize;

/// <summary>Tokens for programs.</summary>
internal static class TokenizeJson
{
    /// <summary>Writes ids and tokens as the vocabulary spells them; null for an id without a token.</summary>
    public static Action<Utf8JsonWriter> Of(IReadOnlyList<TokenView> tokens) => json =>
    {
        json.WriteStartArray("ids");
        foreach (TokenView token in tokens)
        {
            json.WriteNumberValue(token.Id);
        }

        json.WriteEndArray();
        WriteStrings(json, "tokens", tokens.Select(t => t.Token));
    };

    /// <summary>The same, and the bytes in hexadecimal.</summary>
    public static Action<Utf8JsonWriter> WithBytes(IReadOnlyList<TokenView> tokens) => json =>
    {
        Of(tokens)(json);
        WriteStrings(json, "bytes", tokens.Select(t => t.Hex));
    };

    private static void WriteStrings(Utf8JsonWriter json, string name, IEnumerable<string?> values)
    {
        json.WriteStartArray(name);
        foreach (string? value in values)
        {
            json.WriteStringValue(value);
        }

        json.WriteEndArray();
    }
}
