using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Qwen 2 and 2.5 (arXiv 2407.10671): Llama with a bias of queries, keys and values; later layers may slide.
/// </summary>
internal static class Qwen2Family
{
    private const int MaxWindowLayers = 28;

    public static ModelFamily Family { get; } = new(
        "Qwen 2 and 2.5", "Qwen2ForCausalLM", "qwen2", Map, TiesHead: false, LlamaFamily.Buffers);

    /// <summary>The windows of a model of Qwen's configuration.</summary>
    public static DecoderSpec WithWindows(DecoderSpec spec, ConfigReader config)
    {
        int? stated = LayerTypes.WindowOf(config, 4096);
        int? window = config.Flag("use_sliding_window", false) ? stated : null;
        int first = config.Integer("max_window_layers", 0, ConfigLimits.Layers) ?? MaxWindowLayers;
        int?[] windows = LayerTypes.Windows(config, spec.NumLayers, window, i => i >= first);
        return spec.MapAttention((i, attention) => attention with { Window = windows[i] });
    }

    private static DecoderSpec Map(ConfigReader config, TensorNames names) => WithWindows(
        LlamaLayout.Read(
            config, names, Family.Architecture, Family.TiesHead,
            new LlamaTraits { QueryKeyValueBias = true, KvHeads = 32 }),
        config);
}
