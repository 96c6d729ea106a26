using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Octavo.Formats;
using Octavo.Formats.Gguf;

namespace Octavo.Models.Gguf;

/// <summary>
/// Writes the <c>config.json</c> that a GGUF file's metadata stand for: its keys by the names that transformers has for
/// them, in the form of transformers 5. What files leave out because llama.cpp knows it is filled in.
/// </summary>
internal sealed class GgufConfig
{
    private readonly string _file;
    private readonly GgufMetadata _metadata;
    private readonly ITensorSet _tensors;
    private readonly string _name;

    /// <summary>Reads a file.</summary>
    /// <param name="file">The file, as errors name it.</param>
    /// <param name="metadata">Its keys.</param>
    /// <param name="tensors">Its tensors, of which some are settings, too.</param>
    public GgufConfig(string file, GgufMetadata metadata, ITensorSet tensors)
    {
        (_file, _metadata, _tensors) = (file, metadata, tensors);
        _name = Read(() => metadata.Text("general.architecture"))
            ?? throw new CheckpointException(file, "general.architecture is missing; it is required");
        Architecture = GgufArchitecture.Find(_name)
            ?? throw new UnsupportedModelException(
                file, "general.architecture", $"'{_name}'", GgufArchitecture.Names);
    }

    /// <summary>What kind of model it is.</summary>
    public GgufArchitecture Architecture { get; }

    /// <summary>The fields, to which an architecture adds its own.</summary>
    public JsonObject Fields { get; } = [];

    /// <summary>The parameters of rotary positions.</summary>
    public JsonObject Rope { get; } = [];

    /// <summary>Layers.</summary>
    public int Layers { get; private set; }

    /// <summary>Width of a query or key head.</summary>
    public int HeadDim { get; private set; }

    /// <summary>The object that <c>config.json</c> would hold.</summary>
    /// <exception cref="CheckpointException">A key is missing or wrong.</exception>
    /// <exception cref="UnsupportedModelException">A value is not supported.</exception>
    public ConfigReader ToReader()
    {
        Layers = Require("block_count");
        int hidden = Require("embedding_length"), heads = Require("attention.head_count");
        HeadDim = Size("attention.key_length") ?? hidden / heads;
        if (Size("attention.value_length") is { } values && values != HeadDim)
        {
            throw new UnsupportedModelException(_file, Key("attention.value_length"), $"{values}", $"{HeadDim}");
        }

        Fields["architectures"] = new JsonArray(Architecture.Family);
        Fields["hidden_size"] = hidden;
        Fields["num_hidden_layers"] = Layers;
        Fields["num_attention_heads"] = heads;
        Fields["num_key_value_heads"] = Size("attention.head_count_kv") ?? heads;
        Fields["head_dim"] = HeadDim;
        Fields["intermediate_size"] = Require("feed_forward_length");
        Fields["max_position_embeddings"] = Require("context_length");
        Fields["vocab_size"] = _tensors.Get("token_embd.weight").Shape[0];
        Fields[Architecture.EpsilonField] = Number("attention.layer_norm_rms_epsilon")
            ?? Number("attention.layer_norm_epsilon")
            ?? throw Missing("attention.layer_norm_rms_epsilon");
        Fields["tie_word_embeddings"] = !_tensors.Contains("output.weight");
        WriteRope();
        Architecture.Complete?.Invoke(this);
        if (Rope.Count > 0)
        {
            Fields["rope_parameters"] = Rope;
        }

        return new ConfigReader(_file, JsonSerializer.SerializeToElement(Fields));
    }

    /// <summary>An integer of the architecture, one for all layers; null where it is absent.</summary>
    public int? Size(string key)
    {
        if (Read(() => _metadata.Values.GetValueOrDefault(Key(key)) is Array ? _metadata.Integers(Key(key)) : null)
            is { } byLayer)
        {
            return byLayer.Distinct().ToArray() is [var one]
                ? ToInt(key, one)
                : throw new UnsupportedModelException(
                    _file, Key(key), $"[{string.Join(", ", byLayer.Take(8))}]", "one number for all layers");
        }

        return Read(() => _metadata.Integer(Key(key))) is { } value ? ToInt(key, value) : null;
    }

    /// <summary>Integers of the architecture, one for each layer; null where there are none.</summary>
    public int[]? SizesByLayer(string key) =>
        _metadata.Values.GetValueOrDefault(Key(key)) is not long[] values ? null
        : values.Length == Layers ? [.. values.Select(value => ToInt(key, value))]
        : throw Wrong(key, $"has {values.Length} entries for {Layers} layers");

    /// <summary>A required integer of the architecture.</summary>
    public int Require(string key) => Size(key) ?? throw Missing(key);

    /// <summary>A number of the architecture; null where it is absent.</summary>
    public double? Number(string key) => _metadata.Values.GetValueOrDefault(Key(key)) switch
    {
        null => null,
        double value when double.IsFinite(value) => Shortest(value),
        long value => value,
        _ => throw Wrong(key, "must be a finite number"),
    };

    /// <summary>A truth value of the architecture; null where it is absent.</summary>
    public bool? Flag(string key) => Read(() => _metadata.Bool(Key(key)));

    /// <summary>A text of the architecture; null where it is absent.</summary>
    public string? Text(string key) => Read(() => _metadata.Text(Key(key)));

    /// <summary>Whether the file holds a tensor.</summary>
    public bool Has(string tensor) => _tensors.Contains(tensor);

    /// <summary>Writes the window and which layers slide; neither where nothing does.</summary>
    /// <param name="slides">Which layers do, where the file leaves it to whoever reads it.</param>
    public void WriteWindows(Func<int, bool> slides)
    {
        if (Size("attention.sliding_window") is not { } window || window == 0)
        {
            return;
        }

        bool[]? pattern = _metadata.Values.GetValueOrDefault(Key("attention.sliding_window_pattern")) switch
        {
            null => null,
            bool[] all when all.Length == Layers => all,
            long[] all when all.Length == Layers => [.. all.Select(one => one != 0)],
            long every and > 0 => [.. Enumerable.Range(0, Layers).Select(i => (i + 1) % every != 0)],
            _ => throw Wrong("attention.sliding_window_pattern", $"must say of {Layers} layers which slide"),
        };
        Fields["sliding_window"] = window;
        Fields["layer_types"] = new JsonArray([
            .. Enumerable.Range(0, Layers).Select(i => (JsonNode)(
                (pattern?[i] ?? slides(i)) ? "sliding_attention" : "full_attention")),
        ]);
    }

    /// <summary>The numbers of a small tensor.</summary>
    public float[] Numbers(string tensor)
    {
        Tensor stored = _tensors.Get(tensor);
        CheckpointException.ThrowIf(
            stored.ElementCount > ConfigLimits.HeadDim, _file, tensor, "is too long for factors of a head's pairs");
        float[] values = new float[stored.ElementCount];
        ElementConversion.ToFloat32(stored.Type, stored.Bytes(0, (int)stored.ByteLength), values);
        return values;
    }

    /// <summary>A key's name in the file.</summary>
    public string Key(string key) => $"{_name}.{key}";

    /// <summary>An error about a key.</summary>
    public CheckpointException Wrong(string key, string problem) => new(_file, $"{Key(key)} {problem}");

    private void WriteRope()
    {
        if (!Architecture.Rotates)
        {
            return;
        }

        int dims = Size("rope.dimension_count") ?? HeadDim;
        Rope["rope_theta"] = Number("rope.freq_base") ?? 10_000;
        Rope["partial_rotary_factor"] = PartOf(dims, HeadDim);
        string type = Text("rope.scaling.type") ?? (Number("rope.scaling.factor") is null ? "none" : "linear");
        if (Has("rope_factors_long.weight"))
        {
            WriteFactors(Numbers("rope_factors_short.weight"), Numbers("rope_factors_long.weight"));
            WriteOriginalContext();
            WriteNumber("attention_factor", Number("rope.scaling.attn_factor") ?? 1);
        }
        else if (Has("rope_freqs.weight"))
        {
            // Llama 3's rule, worked out: what each frequency is divided by, at every length.
            float[] factors = Numbers("rope_freqs.weight");
            WriteFactors(factors, factors);
            Rope["original_max_position_embeddings"] = Require("context_length");
            WriteNumber("attention_factor", 1);
        }
        else if (type is "linear" or "yarn")
        {
            Rope["rope_type"] = type;
            WriteNumber("factor", Number("rope.scaling.factor") ?? throw Missing("rope.scaling.factor"));
            if (type == "yarn")
            {
                WriteOriginalContext();
                WriteNumber("beta_fast", Number("rope.scaling.yarn_beta_fast"));
                WriteNumber("beta_slow", Number("rope.scaling.yarn_beta_slow"));
                WriteNumber("attention_factor", Number("rope.scaling.yarn_attn_factor"));
            }
        }
        else if (type != "none")
        {
            throw new UnsupportedModelException(
                _file, Key("rope.scaling.type"), $"'{type}'", "none", "linear", "yarn", "longrope with its factors");
        }
    }

    private void WriteFactors(float[] ofShort, float[] ofLong)
    {
        Rope["rope_type"] = "longrope";
        Rope["short_factor"] = ToJson(ofShort);
        Rope["long_factor"] = ToJson(ofLong);
    }

    private void WriteOriginalContext() =>
        Rope["original_max_position_embeddings"] = Require("rope.scaling.original_context_length");

    private void WriteNumber(string field, double? value)
    {
        if (value is { } number)
        {
            Rope[field] = number;
        }
    }

    // The part that, of a head, gives whole dimensions again.
    private static double PartOf(int dims, int headDim)
    {
        double part = dims / (double)headDim;
        return (int)(headDim * part) == dims ? part : Math.BitIncrement(part);
    }

    // What float32 made of 0.1 was 0.1.
    private static double Shortest(double value) =>
        double.Parse(((float)value).ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private static JsonArray ToJson(float[] values) => new([.. values.Select(v => (JsonNode)v)]);

    private int ToInt(string key, long value) =>
        value is >= 0 and <= int.MaxValue ? (int)value : throw Wrong(key, $"is {value}; it must be a size");

    private CheckpointException Missing(string key) => Wrong(key, "is missing; it is required");

    private T Read<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (FormatException e)
        {
            throw new CheckpointException(_file, e.Message, e);
        }
    }
}
