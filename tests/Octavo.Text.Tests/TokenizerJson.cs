using System.Text.Json.Nodes;
using Octavo.Text.Json;
using Octavo.Text.Tokens;

namespace Octavo.Text.Tests;

/// <summary>A small but complete tokenizer.json: a token per byte (the id is the byte), and "ab" = 256.</summary>
internal static class TokenizerJson
{
    public static JsonObject Create()
    {
        JsonObject vocab = [];
        for (int value = 0; value < 256; value++)
        {
            vocab[ByteAlphabet.CharOf((byte)value).ToString()] = value;
        }

        vocab["ab"] = 256;
        return new JsonObject
        {
            ["added_tokens"] = new JsonArray(),
            ["normalizer"] = null,
            ["pre_tokenizer"] =
                JsonNode.Parse("""{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}"""),
            ["post_processor"] = null,
            ["decoder"] = JsonNode.Parse("""{"type": "ByteLevel"}"""),
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = vocab, ["merges"] = new JsonArray("a b") },
        };
    }

    public static Tokenizer Load(Action<JsonObject> change)
    {
        JsonObject json = Create();
        change(json);
        using TemporaryDirectory directory = new();
        return Tokenizer.LoadFile(directory.Write("tokenizer.json", json.ToJsonString()));
    }

    /// <summary>The text as the given stages cut it, with '|' between pieces.</summary>
    public static string Cut(string preTokenizer, string text)
    {
        using System.Text.Json.JsonDocument document = System.Text.Json.JsonDocument.Parse(preTokenizer);
        Pieces pieces = new();
        JsonField field = new("test", "pre_tokenizer", document.RootElement);
        Pipeline.PipelineReader.ReadPreTokenizer(field, () => pieces, () => pieces).Accept(text, true, []);
        return string.Join('|', pieces.Found);
    }

    private sealed class Pieces : Pipeline.TextStage
    {
        public List<string> Found { get; } = [];

        public override void Accept(ReadOnlySpan<char> piece, bool first, List<int> ids) => Found.Add(piece.ToString());
    }
}
