using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Gemma (arXiv 2403.08295): Llama with embeddings scaled by the root of their width, norms whose weights are stored as
/// the difference from 1, a GELU gate and a tied head.
/// </summary>
internal static class GemmaFamily
{
    public static ModelFamily Family { get; } = new(
        "Gemma", "GemmaForCausalLM", "gemma", Map, TiesHead: true, LlamaFamily.Buffers)
    {
        IdleFields = ["hidden_activation"],
    };

    /// <summary>What all Gemmas share.</summary>
    public static DecoderSpec Read(
        ConfigReader config, TensorNames names, string architecture, RotaryTraits rotary, int kvHeads,
        DefaultSizes? sizes = null, string activation = "hidden_activation")
    {
        bool bias = config.Flag("attention_bias", false);
        Supported.Require(
            config, "use_bidirectional_attention", config.Flag("use_bidirectional_attention", false), false);
        DecoderSpec spec = LlamaLayout.Read(config, names, architecture, tiesHead: true, new LlamaTraits
        {
            NormOffset = 1,
            HeadDim = 256,
            KvHeads = kvHeads,
            Defaults = sizes,
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            ActivationField = activation,
            Activation = Activation.TanhGelu,
            Rotary = rotary,
        });
        return spec with { EmbeddingScale = (float)Math.Sqrt(spec.HiddenSize) };
    }

    // transformers computes the tanh form where the first Gemma's config says "gelu", and nothing else is said.
    private static DecoderSpec Map(ConfigReader config, TensorNames names) =>
        Read(config, names, Family.Architecture, new RotaryTraits(), 16, activation: "hidden_act")
            .MapFeedForward((_, mlp) => mlp with
            {
                Activation = mlp.Activation == Activation.Gelu ? Activation.TanhGelu : mlp.Activation,
            });
}
