using Octavo.Formats;

namespace Octavo.Models;

/// <summary>VaultGemma: Gemma 2 without the norms behind its sublayers.</summary>
internal static class VaultGemmaFamily
{
    public static ModelFamily Family { get; } = new(
        "VaultGemma", "VaultGemmaForCausalLM", "vaultgemma", Map, TiesHead: true, LlamaFamily.Buffers)
    {
        IdleFields = ["hidden_act"],
    };

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        DecoderSpec spec = Gemma2Family.WithScores(
            GemmaFamily.Read(config, names, Family.Architecture, new RotaryTraits(), 4), config, 50, 30);
        int?[] windows = LayerTypes.Windows(
            config, spec.NumLayers, LayerTypes.WindowOf(config) ?? 4096, i => i % 2 == 0);
        return spec
            .MapAttention((i, attention) => attention with { Window = windows[i] })
            .MapFeedForward((_, mlp) => mlp with
            {
                NormBefore = LlamaLayout.Beside(mlp.NormBefore!, "pre_feedforward_layernorm"),
            });
    }
}
