using System.Globalization;
using System.Text.Json;
using Octavo.Text;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>How tokens and their log-probabilities are spelled in answers.</summary>
/// <param name="tokenizer">Null where the engine runs without one; tokens then go by their ids.</param>
/// <param name="asIds">Spell every token as <c>token_id:123</c>.</param>
internal sealed class TokenText(Tokenizer? tokenizer, bool asIds)
{
    // What JSON can hold in place of minus infinity; vLLM's figure.
    private const float LeastLogprob = -9999;

    public string Of(int id) =>
        asIds || tokenizer is null ? string.Create(CultureInfo.InvariantCulture, $"token_id:{id}") : Decoded(id);

    /// <summary>A chat's log-probabilities: <c>{"content": […]}</c>.</summary>
    public void WriteChat(Utf8JsonWriter json, IReadOnlyList<PositionLogprobs> positions)
    {
        json.WriteStartObject("logprobs");
        json.WriteStartArray("content");
        foreach (PositionLogprobs position in positions)
        {
            json.WriteStartObject();
            WriteEntry(json, position.Token);
            json.WriteStartArray("top_logprobs");
            foreach (TokenLogprob top in position.Top)
            {
                json.WriteStartObject();
                WriteEntry(json, top);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteNull("refusal");
        json.WriteEndObject();
    }

    /// <summary>A completion's: four lists, in which text offsets count code points.</summary>
    public void WriteCompletion(
        Utf8JsonWriter json,
        IReadOnlyList<int> tokens,
        IReadOnlyList<PositionLogprobs?> positions,
        IReadOnlyList<int> offsets)
    {
        json.WriteStartObject("logprobs");
        json.WriteNumbers("text_offset", offsets);
        json.WriteStartArray("token_logprobs");
        foreach (PositionLogprobs? position in positions)
        {
            if (position is null)
            {
                json.WriteNullValue();
            }
            else
            {
                json.WriteNumberValue(Finite(position.Token.Logprob));
            }
        }

        json.WriteEndArray();
        json.WriteStartArray("tokens");
        foreach (int token in tokens)
        {
            json.WriteStringValue(Of(token));
        }

        json.WriteEndArray();
        json.WriteStartArray("top_logprobs");
        foreach (PositionLogprobs? position in positions)
        {
            WriteTop(json, position);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>vLLM's <c>prompt_logprobs</c>: a map from token id to its figures at each position.</summary>
    public void WritePrompt(Utf8JsonWriter json, IReadOnlyList<PositionLogprobs?> positions)
    {
        json.WriteStartArray("prompt_logprobs");
        foreach (PositionLogprobs? position in positions)
        {
            if (position is null)
            {
                json.WriteNullValue();
                continue;
            }

            json.WriteStartObject();
            foreach (TokenLogprob entry in Distinct(position, e => e.TokenId))
            {
                json.WriteStartObject(entry.TokenId.ToString(CultureInfo.InvariantCulture));
                json.WriteNumber("logprob", Finite(entry.Logprob));
                json.WriteNumber("rank", entry.Rank);
                json.WriteString("decoded_token", tokenizer is null ? null : Decoded(entry.TokenId));
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static float Finite(float logprob) => Math.Max(logprob, LeastLogprob);

    // The token that stands there comes first, then the most likely; a key is written once.
    private static IEnumerable<TokenLogprob> Distinct<TKey>(PositionLogprobs position, Func<TokenLogprob, TKey> key) =>
        position.Top.Prepend(position.Token).DistinctBy(key);

    private void WriteTop(Utf8JsonWriter json, PositionLogprobs? position)
    {
        if (position is null)
        {
            json.WriteNullValue();
            return;
        }

        json.WriteStartObject();
        foreach (TokenLogprob entry in Distinct(position, e => Of(e.TokenId)))
        {
            json.WriteNumber(Of(entry.TokenId), Finite(entry.Logprob));
        }

        json.WriteEndObject();
    }

    private void WriteEntry(Utf8JsonWriter json, TokenLogprob entry)
    {
        json.WriteString("token", Of(entry.TokenId));
        json.WriteNumber("logprob", Finite(entry.Logprob));
        if (tokenizer is null)
        {
            json.WriteNull("bytes");
            return;
        }

        json.WriteNumbers("bytes", tokenizer.TokenBytes(entry.TokenId).Select(b => (int)b));
    }

    private string Decoded(int id) => tokenizer!.Decode([id], skipSpecialTokens: false);
}
