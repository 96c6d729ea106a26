using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Ministral 3: Mistral whose queries grow with their position beyond the original context.</summary>
internal static class Ministral3Family
{
    public static ModelFamily Family { get; } = new(
        "Ministral 3", "Ministral3ForCausalLM", "ministral3", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        DecoderSpec spec = LlamaLayout.Read(
            config, names, Family.Architecture, Family.TiesHead,
            new LlamaTraits
            {
                Epsilon = 1e-5,
                HeadDim = config.States("head_dim") ? null : 128,
                KvHeads = 8,
            });
        int? window = LayerTypes.WindowOf(config);
        ConfigReader rope = RotaryConfig.SectionOf(config) ?? throw config.Missing("rope_parameters");
        QueryTemperature? temperature = rope.Positive("llama_4_scaling_beta") is { } beta
            ? new QueryTemperature(beta, RotaryConfig.Original(config, rope))
            : null;
        return spec.MapAttention((_, attention) => attention with
        {
            Window = window,
            Temperature = temperature,
        });
    }
}
