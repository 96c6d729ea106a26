using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Nemotron 4 and Minitron (arXiv 2402.16819): layer norms whose weights are stored as the difference from 1, half of
/// each head rotated, an MLP of squared ReLU without a gate.
/// </summary>
internal static class NemotronFamily
{
    public static ModelFamily Family { get; } = new(
        "Nemotron 4, Minitron", "NemotronForCausalLM", "nemotron", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        bool bias = config.Flag("attention_bias", false);
        return LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            Norm = NormKind.Layer,
            NormBias = true,
            NormOffset = 1,
            EpsilonField = "norm_eps",
            Epsilon = 1e-5,
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            MlpBias = config.Flag("mlp_bias", false),
            Gated = false,
            Activation = Activation.SquaredRelu,
            Rotary = new RotaryTraits { Partial = 0.5 },
        });
    }
}
