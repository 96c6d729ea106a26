using System.Globalization;
using System.Text.Json;
using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Gemma 4, its text: Gemma 3 with wider heads in layers that attend to everything, normed values, scores that nothing
/// scales, a number that each layer's sum is multiplied with, and, in the small models, embeddings of the token for
/// each layer and last layers that read the keys and values of earlier ones (transformers 5.24,
/// <c>modeling_gemma4.py</c>).
/// </summary>
internal static class Gemma4Family
{
    private const string Sliding = "sliding_attention";
    private const string Full = "full_attention";

    // Files hold projections of layers that read another's cache, which nothing needs.
    private static readonly string[] OfSharedLayers =
    [
        "self_attn.k_proj.weight", "self_attn.v_proj.weight", "self_attn.k_norm.weight", "self_attn.v_norm.weight",
    ];

    // A quarter of the pairs turn, as the config says.
    private static readonly RotaryTraits Global = new() { Theta = 1_000_000, Partial = 1 };

    public static ModelFamily Family { get; } = new(
        "Gemma 4, text", "Gemma4ForCausalLM", "gemma4_text", Map, TiesHead: true,
        [.. LlamaFamily.Buffers, .. OfSharedLayers]);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        Supported.Require(config, "enable_moe_block", config.Flag("enable_moe_block", false), false);
        if (config.Text("use_bidirectional_attention") is { } direction and not "vision")
        {
            throw new UnsupportedModelException(
                config.File, config.PathOf("use_bidirectional_attention"), $"'{direction}'", "null", "'vision'");
        }

        bool bias = config.Flag("attention_bias", false);
        DecoderSpec spec = Gemma2Family.WithNormsAround(LlamaLayout.Read(
            config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
            {
                HeadDim = 256,
                KvHeads = 4,
                Defaults = new DefaultSizes(262_144, 8, 131_072),
                QueryKeyValueBias = bias,
                AttentionOutputBias = bias,
                ActivationField = "hidden_activation",
                Activation = Activation.TanhGelu,
                Rotary = Global,
            }));
        int?[] windows = LayerTypes.Windows(
            config, spec.NumLayers, LayerTypes.WindowOf(config) ?? 512, i => (i + 1) % 6 != 0);

        // transformers makes the last layer attend to everything, whatever the config says.
        windows[^1] = null;
        int shared = config.Integer("num_kv_shared_layers", 0, spec.NumLayers - 1) ?? 0;
        int firstShared = spec.NumLayers - shared;
        bool keysAreValues = config.Flag("attention_k_eq_v", false);
        bool doubles = config.Flag("use_double_wide_mlp", false);
        IReadOnlyDictionary<int, ConfigReader>? overrides = OverridesOf(config);
        spec = spec.MapAttention((i, attention) => Attention(config, overrides, attention with
        {
            Window = windows[i],
            CacheOf = i >= firstShared ? SourceOf(config, windows, i, firstShared) : null,
        }, i, keysAreValues));
        spec = spec.MapFeedForward((i, mlp) => mlp with
        {
            IntermediateSize = mlp.IntermediateSize * (doubles && i >= firstShared ? 2 : 1),
        });
        return WithLayerInputs(spec, config, names) with
        {
            EmbeddingScale = (float)Math.Sqrt(spec.HiddenSize),
            LogitsSoftCap = (float?)config.Positive("final_logit_softcapping"),
        };
    }

    private static AttentionSpec Attention(
        ConfigReader config, IReadOnlyDictionary<int, ConfigReader>? overrides, AttentionSpec attention, int layer,
        bool keysAreValues)
    {
        (int headDim, int kvHeads) = ShapeOf(config, overrides, attention, layer, keysAreValues);
        attention = LlamaLayout.WithHeadNorms(attention with { HeadDim = headDim, NumKvHeads = kvHeads });
        attention = attention with
        {
            Scale = 1,
            ValueNorm = new NormSpec(
                NormKind.Rms, new NormTensors(null, null), attention.NormBefore!.Epsilon, headDim),
            Positions = attention.Window is null ? PositionsOf(config, attention) : RotaryConfig.ReadUnscaled(
                config, Sliding, headDim, new RotaryTraits { ThetaField = "rope_local_base_freq" }),
            Value = keysAreValues && attention.Window is null ? null : attention.Value,
        };
        return attention.CacheOf is null
            ? attention
            : attention with { Key = null, Value = null, KeyNorm = null, ValueNorm = null, CacheScales = null };
    }

    // Where the config states none, transformers has a quarter of the pairs turn in layers that attend to everything.
    private static RotaryPositions PositionsOf(ConfigReader config, AttentionSpec attention) =>
        config.Section("rope_parameters") is null
            ? new RotaryPositions(1_000_000, new ProportionalRopeScaling(attention.HeadDim / 8, 1))
            : RotaryConfig.Read(config, Full, attention.HeadDim, Global);

    private static (int HeadDim, int KvHeads) ShapeOf(
        ConfigReader config, IReadOnlyDictionary<int, ConfigReader>? overrides, AttentionSpec attention, int layer,
        bool keysAreValues)
    {
        if (overrides is not null)
        {
            ConfigReader? own = overrides.GetValueOrDefault(layer);
            int kvHeads = own?.Integer("num_key_value_heads", 1, ConfigLimits.Heads) ?? attention.NumKvHeads;
            return (
                own?.Integer("head_dim", 1, ConfigLimits.HeadDim) ?? attention.HeadDim,
                Supported.KvHeads(own ?? config, "num_key_value_heads", kvHeads, attention.NumHeads));
        }

        const string GlobalKvHeads = "num_global_key_value_heads";
        return attention.Window is not null
            ? (attention.HeadDim, attention.NumKvHeads)
            : (
                config.Integer("global_head_dim", 1, ConfigLimits.HeadDim) ?? 512,
                keysAreValues && config.Integer(GlobalKvHeads, 1, ConfigLimits.Heads) is { } global
                    ? Supported.KvHeads(config, GlobalKvHeads, global, attention.NumHeads)
                    : attention.NumKvHeads);
    }

    // What single layers state for themselves, by their numbers, which transformers fills up with zeros; null where the
    // config is of the older form, which states the shape of all wide layers.
    private static Dictionary<int, ConfigReader>? OverridesOf(ConfigReader config)
    {
        if (config.Section("per_layer_config") is not { } layers)
        {
            return null;
        }

        Dictionary<int, ConfigReader> overrides = [];
        foreach (JsonProperty layer in layers.Json.EnumerateObject())
        {
            if (!int.TryParse(layer.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            {
                throw layers.Invalid(layer.Name, "is not the number of a layer");
            }

            ConfigReader own = layers.Section(layer.Name) ?? throw layers.Invalid(layer.Name, "is not an object");
            foreach (JsonProperty field in own.Json.EnumerateObject())
            {
                if (field.Name is not ("head_dim" or "num_key_value_heads"))
                {
                    throw new UnsupportedModelException(
                        own.File, own.PathOf(field.Name), field.Value.GetRawText(), "head_dim", "num_key_value_heads");
                }
            }

            overrides.TryAdd(number, own);
        }

        return overrides;
    }

    // The last layer of its kind before those that share.
    private static int SourceOf(ConfigReader config, int?[] windows, int layer, int firstShared)
    {
        int source = Array.FindLastIndex(
            windows, firstShared - 1, window => window.HasValue == windows[layer].HasValue);
        return source >= 0
            ? source
            : throw config.Invalid(
                "num_kv_shared_layers",
                $"leaves no {(windows[layer] is null ? Full : Sliding)} layer whose keys layer {layer} could read");
    }

    private static DecoderSpec WithLayerInputs(DecoderSpec spec, ConfigReader config, TensorNames names)
    {
        string prefix = spec.TokenEmbedding[..^"embed_tokens.weight".Length];
        int width = config.Integer("hidden_size_per_layer_input", 0, ConfigLimits.Width) ?? 256;
        int rows = config.Integer("vocab_size_per_layer_input", 1, ConfigLimits.Vocabulary) ?? 262_144;
        spec = spec with { Layers = [.. spec.Layers.Select(Layer)] };
        if (width == 0)
        {
            return spec;
        }

        NormSpec norm = spec.FinalNorm! with { Width = width };
        return spec with
        {
            LayerInputs = new LayerInputs(
                $"{prefix}embed_tokens_per_layer.weight",
                rows,
                LlamaLayout.Linear($"{prefix}per_layer_model_projection", bias: false),
                LlamaLayout.Elsewhere(norm, $"{prefix}per_layer_projection_norm"),
                spec.NumLayers,
                width)
            {
                TableScale = (float)Math.Sqrt(width),
                ProjectionScale = (float)(1 / Math.Sqrt(spec.HiddenSize)),
                SumScale = (float)(1 / Math.Sqrt(2)),
            },
        };

        LayerSpec Layer(LayerSpec layer, int number)
        {
            string module = $"{prefix}layers.{number}.";
            PartSpec[] parts = [.. layer.Parts];
            if (width > 0)
            {
                FeedForwardSpec mlp = parts.OfType<FeedForwardSpec>().Single();
                parts =
                [
                    .. parts,
                    new LayerInputSpec
                    {
                        Width = spec.HiddenSize,
                        Number = number,
                        InputWidth = width,
                        Activation = mlp.Activation,
                        NormOutput = LlamaLayout.Beside(mlp.NormBefore!, "post_per_layer_input_norm"),
                        Gate = LlamaLayout.Linear($"{module}per_layer_input_gate", bias: false),
                        Projection = LlamaLayout.Linear($"{module}per_layer_projection", bias: false),
                    },
                ];
            }

            string scale = $"{module}layer_scalar";
            if (names == TensorNames.None || names.Contains(scale))
            {
                parts[^1] = parts[^1] with { SumScale = scale };
            }

            return new LayerSpec(parts);
        }
    }
}
