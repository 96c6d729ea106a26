using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Apertus: Llama with norms of each query and key head and an MLP of xIELU, learned, without a gate.
/// </summary>
internal static class ApertusFamily
{
    public static ModelFamily Family { get; } = new(
        "Apertus", "ApertusForCausalLM", "apertus", Map, TiesHead: false,
        [.. LlamaFamily.Buffers, "mlp.act_fn.beta", "mlp.act_fn.eps"])
    {
        IdleFields = ["qk_norm", "post_norm"],
    };

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        // Without them transformers takes Llama 3's scaling; published configs state it.
        _ = RotaryConfig.SectionOf(config) ?? throw config.Missing("rope_parameters");
        bool bias = config.Flag("attention_bias", false);
        DecoderSpec spec = LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            Epsilon = 1e-5,
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            Gated = false,
            Activation = Activation.XIelu,
            Rotary = new RotaryTraits { Theta = 12_000_000 },
        });
        return spec
            .MapAttention((_, attention) => LlamaLayout.WithHeadNorms(attention) with
            {
                NormBefore = LlamaLayout.Beside(attention.NormBefore!, "attention_layernorm"),
            })
            .MapFeedForward((_, mlp) => mlp with
            {
                NormBefore = LlamaLayout.Beside(mlp.NormBefore!, "feedforward_layernorm"),
                ActivationTensors = mlp.Activation != Activation.XIelu
                    ? null
                    : new XIeluTensors(Curve(mlp, "alpha_p"), Curve(mlp, "alpha_n")),
            });

        static string Curve(FeedForwardSpec mlp, string name) =>
            mlp.Up.Module.Replace("up_proj", $"act_fn.{name}", StringComparison.Ordinal);
    }
}
