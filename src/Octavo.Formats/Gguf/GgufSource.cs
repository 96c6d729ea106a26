using System.Text.Json;
using System.Text.Json.Nodes;

namespace Octavo.Formats.Gguf;

/// <summary>A model in a GGUF file, or in several that are its parts.</summary>
internal sealed class GgufSource : ModelSource
{
    // Tokens that end an answer wherever a vocabulary has them as control tokens, as llama.cpp has it.
    private static readonly HashSet<string> EndsOfText = new(StringComparer.Ordinal)
    {
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
        "<turn|>", "<|endoftext|>", "<|end_of_text|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
        "<end_of_utterance>", "<｜end▁of▁sentence｜>", "<|fim_pad|>", "<|fim_rep|>", "<|fim_sep|>", "<eos>",
    };

    private const int ControlToken = 3;

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file; of several parts any one.</param>
    public GgufSource(string path)
    {
        Path = GgufFile.FirstPart(path);
        using GgufFile file = GgufFile.Open(Path);
        Gguf = file.Metadata;
        try
        {
            Config = new ConfigReader(Path, JsonSerializer.SerializeToElement(ToJson(Gguf)));
            Generation = ReadGeneration(Gguf);
        }
        catch (FormatException e)
        {
            throw new CheckpointException(Path, e.Message, e);
        }
    }

    /// <summary>The file; of several parts the first.</summary>
    public override string Path { get; }

    /// <summary>The metadata, less the tokenizer's.</summary>
    public override ConfigReader Config { get; }

    /// <inheritdoc/>
    public override GenerationDefaults Generation { get; }

    /// <inheritdoc/>
    public override GgufMetadata Gguf { get; }

    /// <summary>The one model in GGUF that a directory holds; null where it holds none, or several.</summary>
    public static string? FindIn(string directory)
    {
        string[] files = [.. Directory.GetFiles(directory, "*.gguf")
            .Where(file => !System.IO.Path.GetFileName(file).StartsWith("mmproj", StringComparison.OrdinalIgnoreCase))
            .Select(GgufFile.FirstPart).Distinct()];
        return files is [var only] ? only : null;
    }

    /// <inheritdoc/>
    public override bool Has(string part) => false;

    /// <inheritdoc/>
    public override string NameOf(string part) => Path;

    /// <inheritdoc/>
    public override byte[]? Read(string part) => null;

    /// <inheritdoc/>
    public override Checkpoint OpenCheckpoint() => Checkpoint.Open(Path);

    private static JsonObject ToJson(GgufMetadata metadata)
    {
        const string Tokenizers = "tokenizer.";
        var json = new JsonObject();
        foreach ((string key, object value) in metadata.Values.Where(
            pair => !pair.Key.StartsWith(Tokenizers, StringComparison.Ordinal)))
        {
            json[key] = ToJson(value);
        }

        return json;
    }

    private static JsonNode? ToJson(object value) => value switch
    {
        long number => JsonValue.Create(number),
        double number => double.IsFinite(number) ? JsonValue.Create(number) : null,
        bool flag => JsonValue.Create(flag),
        string text => JsonValue.Create(text),
        Array items => new JsonArray([.. items.Cast<object>().Select(ToJson)]),
        _ => throw new FormatException($"a value is {value.GetType().Name}"),
    };

    private static GenerationDefaults ReadGeneration(GgufMetadata metadata)
    {
        const string Sampling = "general.sampling.", Ids = "tokenizer.ggml.";
        int?[] named =
        [
            Id(metadata, Ids + "eos_token_id"), Id(metadata, Ids + "eot_token_id"), Id(metadata, Ids + "eom_token_id"),
        ];
        return new GenerationDefaults
        {
            Temperature = Positive("temp"),
            TopP = Positive("top_p"),
            MinP = Positive("min_p"),
            RepetitionPenalty = Positive("penalty_repeat"),
            TopK = metadata.Integer(Sampling + "top_k") is >= -1 and <= int.MaxValue and var topK ? (int)topK : null,
            EosTokenIds = [.. named.OfType<int>().Union(ControlTokens(metadata))],
            BosTokenId = Id(metadata, Ids + "bos_token_id"),
            PadTokenId = Id(metadata, Ids + "padding_token_id"),
        };

        float? Positive(string key) =>
            metadata.Values.GetValueOrDefault(Sampling + key) is double and > 0 and var number ? (float)number : null;
    }

    private static int? Id(GgufMetadata metadata, string key) =>
        metadata.Integer(key) is >= 0 and <= int.MaxValue and var id ? (int)id : null;

    private static IEnumerable<int> ControlTokens(GgufMetadata metadata)
    {
        string[] tokens = metadata.Texts("tokenizer.ggml.tokens") ?? [];
        long[] types = metadata.Integers("tokenizer.ggml.token_type") ?? [];
        for (int id = 0; id < Math.Min(tokens.Length, types.Length); id++)
        {
            if (types[id] == ControlToken && EndsOfText.Contains(tokens[id]))
            {
                yield return id;
            }
        }
    }
}
