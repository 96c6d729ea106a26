using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Command R7B and Command A (arXiv 2504.00698): three layers of four slide and rotate; the fourth attends to
/// everything and knows no positions.
/// </summary>
internal static class Cohere2Family
{
    public static ModelFamily Family { get; } = new(
        "Command R7B, Command A", "Cohere2ForCausalLM", "cohere2", Map, TiesHead: true, LlamaFamily.Buffers)
    {
        IdleFields =
        [
            "order_of_interleaved_layers", "position_embedding_type", "rotary_pct",
            "use_gated_activation", "use_parallel_block",
        ],
    };

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        DecoderSpec spec = CohereFamily.Read(config, names, Family.Architecture, 10_000);
        int pattern = config.Integer("sliding_window_pattern", 1, ConfigLimits.Layers) ?? 4;
        int?[] windows = LayerTypes.Windows(
            config, spec.NumLayers, LayerTypes.WindowOf(config) ?? 4096, i => (i + 1) % pattern != 0);
        return spec.MapAttention((i, attention) => attention with
        {
            Window = windows[i],
            Positions = windows[i] is null ? null : attention.Positions,
        });
    }
}
