using Octavo.Formats;

namespace Octavo.Models;

/// <summary>SmolLM 3: Llama in which every fourth layer knows no positions (arXiv 2501.18795).</summary>
internal static class SmolLm3Family
{
    public static ModelFamily Family { get; } = new(
        "SmolLM 3", "SmolLM3ForCausalLM", "smollm3", Map, TiesHead: true, LlamaFamily.Buffers)
    {
        IdleFields = ["max_window_layers"],
    };

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        bool bias = config.Flag("attention_bias", false);
        DecoderSpec spec = LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            KvHeads = 4,
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            MlpBias = config.Flag("mlp_bias", false),
            Rotary = new RotaryTraits { Theta = 2_000_000 },
        });
        int interval = config.Integer("no_rope_layer_interval", 1, ConfigLimits.Layers) ?? 4;
        IReadOnlyList<int> rotates = config.Integers("no_rope_layers");
        if (rotates.Count > 0 && rotates.Count != spec.NumLayers)
        {
            throw config.Invalid("no_rope_layers", $"has {rotates.Count} entries for {spec.NumLayers} layers");
        }

        int? stated = LayerTypes.WindowOf(config);
        int? window = config.Flag("use_sliding_window", false) ? stated : null;
        int?[] windows = LayerTypes.Windows(config, spec.NumLayers, window, i => !Rotates(i));

        // Despite its name, the list holds 1 for layers that rotate.
        return spec.MapAttention((i, attention) => attention with
        {
            Positions = Rotates(i) ? attention.Positions : null,
            Window = windows[i],
        });

        bool Rotates(int layer) => rotates.Count > 0 ? rotates[layer] != 0 : (layer + 1) % interval != 0;
    }
}
