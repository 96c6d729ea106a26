using System.Text.Json;
using Octavo.Text;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>What <c>/tokenize</c> and <c>/detokenize</c> answer, vLLM's additions to OpenAI's API.</summary>
internal sealed class Tokenization(AsyncEngine engine, ChatSupport chat)
{
    /// <summary>A prompt's tokens, or a conversation's.</summary>
    /// <returns>Writes the answer.</returns>
    /// <exception cref="ApiException">There is no tokenizer, or the request cannot be answered.</exception>
    public Action<Utf8JsonWriter> Encode(TokenizeRequest request)
    {
        request.Check();
        Tokenizer tokenizer = RequireTokenizer();
        int[] tokens = request.Prompt is { } prompt
            ? tokenizer.Encode(prompt, request.AddSpecialTokens ?? true)
            : engine.Encode(request.Conversation.Render(chat.Prompts) with
            {
                AddSpecialTokens = request.AddSpecialTokens ?? false,
            });
        return json =>
        {
            json.WriteStartObject();
            json.WriteNumber("count", tokens.Length);
            json.WriteNumber("max_model_len", engine.Model.MaxModelLen);
            json.WriteNumbers("tokens", tokens);
            if (request.ReturnTokenStrings)
            {
                json.WriteStartArray("token_strs");
                foreach (int token in tokens)
                {
                    json.WriteStringValue(tokenizer.IdToToken(token));
                }

                json.WriteEndArray();
            }
            else
            {
                json.WriteNull("token_strs");
            }

            json.WriteEndObject();
        };
    }

    /// <summary>The text of tokens.</summary>
    /// <returns>Writes the answer.</returns>
    /// <exception cref="ApiException">There is no tokenizer, or the request cannot be answered.</exception>
    public Action<Utf8JsonWriter> Decode(DetokenizeRequest request)
    {
        Tokenizer tokenizer = RequireTokenizer();
        int[] tokens = request.Tokens ?? throw ApiException
            .BadRequest("tokens", "tokens is required: a list of token ids");
        int vocabulary = engine.Model.VocabSize;
        int bad = Array.FindIndex(tokens, t => (uint)t >= (uint)vocabulary);
        if (bad >= 0)
        {
            throw ApiException.BadRequest(
                "tokens", $"tokens[{bad}] must be a token id from 0 to {vocabulary - 1}; it is {tokens[bad]}");
        }

        // Special tokens stay, as in vLLM: what was tokenized comes back whole.
        string text = tokenizer.Decode(tokens, skipSpecialTokens: false);
        return json =>
        {
            json.WriteStartObject();
            json.WriteString("prompt", text);
            json.WriteEndObject();
        };
    }

    private Tokenizer RequireTokenizer() =>
        engine.Tokenizer ?? throw ApiException.BadRequest(null, "this engine runs without a tokenizer");
}
