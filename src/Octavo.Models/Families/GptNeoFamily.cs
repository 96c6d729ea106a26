using System.Text.Json;
using Octavo.Formats;

namespace Octavo.Models;

/// <summary>GPT-Neo: GPT-2 with unscaled scores and a sliding window in some layers.</summary>
internal static class GptNeoFamily
{
    public static ModelFamily Family { get; } = new(
        "GPT-Neo", "GPTNeoForCausalLM", "gpt_neo", Map, TiesHead: true,
        ["attn.attention.bias", "attn.attention.masked_bias"])
    {
        IdleFields = ["attention_layers"],
    };

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        PlainSizes sizes = PlainSizes.Read(config, "hidden_size", "num_layers", "num_heads", "intermediate_size");
        string[] kinds = Kinds(config, sizes.NumLayers);
        int window = config.Integer("window_size", 1, ConfigLimits.Positions) ?? 256;
        return new PlainLayout
        {
            Architecture = Family.Architecture,
            Names = PlainNames.Gpt2 with
            {
                AttentionOutput = "attn.attention.out_proj",
            },
            Sizes = sizes,
            Projections = layer => (
                LlamaLayout.Linear($"{layer}attn.attention.q_proj", false),
                LlamaLayout.Linear($"{layer}attn.attention.k_proj", false),
                LlamaLayout.Linear($"{layer}attn.attention.v_proj", false)),
            MaxPositions = config.Integer("max_position_embeddings", 1, ConfigLimits.Positions) ?? 2048,
            Epsilon = config.Positive("layer_norm_epsilon") ?? 1e-5,
            Activation = ActivationConfig.Read(config, "activation_function", Activation.TanhGelu),
            LearnedPositions = "wpe",
        }.Read(config, names, TiedHead.Read(config, names, Family.TiesHead))
            .MapAttention((i, attention) => attention with
            {
                Scale = 1,
                Window = kinds[i] == "local" ? window : null,
            });
    }

    /// <summary>
    /// The layers' kinds: <c>attention_types</c> holds pairs of a list and how often it is repeated.
    /// </summary>
    private static string[] Kinds(ConfigReader config, int layers)
    {
        if (config.Find("attention_types") is not { ValueKind: JsonValueKind.Array } types)
        {
            return [.. Enumerable.Range(0, layers).Select(i => i % 2 == 0 ? "global" : "local")];
        }

        List<string> kinds = [];
        foreach (JsonElement pair in types.EnumerateArray())
        {
            if (pair.ValueKind != JsonValueKind.Array || pair.GetArrayLength() != 2
                || pair[0].ValueKind != JsonValueKind.Array || !pair[1].TryGetInt32(out int times)
                || times is < 0 or > ConfigLimits.Layers)
            {
                throw config.Invalid("attention_types", "must hold pairs of a list of kinds and a number");
            }

            for (int i = 0; i < times; i++)
            {
                kinds.AddRange(pair[0].EnumerateArray().Select(kind => kind.ToString()));
            }
        }

        return kinds.Count != layers
                ? throw config.Invalid("attention_types", $"describes {kinds.Count} layers; there are {layers}")
            : kinds.Find(kind => kind is not ("global" or "local")) is { } other
                ? throw new UnsupportedModelException(
                    config.File, config.PathOf("attention_types"), $"'{other}'", "global", "local")
            : [.. kinds];
    }
}
