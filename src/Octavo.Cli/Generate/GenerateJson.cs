using System.Text.Encodings.Web;
using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Text;

namespace Octavo.Cli.Generate;

/// <summary>
/// The JSON of <c>octavo generate --json</c>, written by hand: a writer starts faster than any serializer.
/// </summary>
internal static class GenerateJson
{
    private static readonly JsonWriterOptions Format = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes one object and a newline to standard output.</summary>
    public static void Write(AsyncEngine engine, RequestOutput[] outputs, TimeSpan load, TimeSpan elapsed)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Format))
        {
            json.WriteStartObject();
            json.WriteString("model", engine.Model.Name);
            json.WriteStartArray("outputs");
            foreach (RequestOutput output in outputs)
            {
                WriteRequest(json, output, engine.Tokenizer);
            }

            json.WriteEndArray();
            WriteTotals(json, outputs, load, elapsed);
            json.WriteEndObject();
        }

        Stdio.Out.WriteLine(System.Text.Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length)));
        Stdio.Out.Flush();
    }

    private static void WriteRequest(Utf8JsonWriter json, RequestOutput output, Tokenizer? tokenizer)
    {
        json.WriteStartObject();
        json.WriteString("prompt", output.Prompt);
        WriteIds(json, "prompt_token_ids", output.PromptTokenIds);
        json.WriteStartArray("outputs");
        foreach (CompletionOutput completion in output.Outputs)
        {
            json.WriteStartObject();
            json.WriteNumber("index", completion.Index);
            json.WriteString("text", completion.Text);
            WriteIds(json, "token_ids", completion.TokenIds);
            json.WriteString("finish_reason", completion.FinishReason?.ToWireName());
            WriteStopReason(json, completion.StopReason);
            WriteNumber(json, "cumulative_logprob", completion.CumulativeLogprob);
            WriteLogprobs(json, completion.Logprobs, tokenizer);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteStopReason(Utf8JsonWriter json, StopReason? reason)
    {
        json.WritePropertyName("stop_reason");
        switch (reason)
        {
            case { TokenId: { } token }:
                json.WriteNumberValue(token);
                break;
            default:
                json.WriteStringValue(reason?.Text);
                break;
        }
    }

    private static void WriteLogprobs(
        Utf8JsonWriter json, IReadOnlyList<PositionLogprobs>? positions, Tokenizer? tokenizer)
    {
        if (positions is null)
        {
            json.WriteNull("logprobs");
            return;
        }

        json.WriteStartArray("logprobs");
        foreach (PositionLogprobs position in positions)
        {
            json.WriteStartObject();
            WriteEntry(json, position.Token, tokenizer);
            json.WriteStartArray("top_logprobs");
            foreach (TokenLogprob entry in position.Top)
            {
                json.WriteStartObject();
                WriteEntry(json, entry, tokenizer);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteEntry(Utf8JsonWriter json, TokenLogprob entry, Tokenizer? tokenizer)
    {
        json.WriteNumber("token_id", entry.TokenId);
        json.WriteString("token", tokenizer?.Decode([entry.TokenId], skipSpecialTokens: false));
        WriteNumber(json, "logprob", entry.Logprob);
        json.WriteNumber("rank", entry.Rank);
    }

    private static void WriteTotals(Utf8JsonWriter json, RequestOutput[] outputs, TimeSpan load, TimeSpan elapsed)
    {
        int made = outputs.Sum(o => o.Outputs.Sum(c => c.TokenIds.Count));
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", outputs.Sum(o => o.PromptTokenIds.Count));
        json.WriteNumber("completion_tokens", made);
        json.WriteEndObject();
        json.WriteStartObject("timings");
        WriteNumber(json, "load_seconds", Seconds(load));
        TimeSpan first = outputs.Min(o => o.Timings.FirstToken);
        WriteNumber(json, "time_to_first_token_seconds", first > TimeSpan.Zero ? Seconds(first) : null);
        WriteNumber(json, "generation_seconds", Seconds(elapsed));
        WriteNumber(json, "tokens_per_second", Math.Round(made / elapsed.TotalSeconds, 2));
        json.WriteEndObject();
    }

    private static void WriteIds(Utf8JsonWriter json, string name, IEnumerable<int> ids)
    {
        json.WriteStartArray(name);
        foreach (int id in ids)
        {
            json.WriteNumberValue(id);
        }

        json.WriteEndArray();
    }

    // JSON has no infinities: an impossible token's log-probability becomes null.
    private static void WriteNumber(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number && double.IsFinite(number))
        {
            json.WriteNumber(name, number);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    private static double Seconds(TimeSpan time) => Math.Round(time.TotalSeconds, 4);
}
