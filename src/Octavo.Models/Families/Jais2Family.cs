using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Jais 2: Llama with layer norms, biases, and an MLP of squared ReLU without a gate.</summary>
internal static class Jais2Family
{
    public static ModelFamily Family { get; } = new(
        "Jais 2", "Jais2ForCausalLM", "jais2", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        bool bias = config.Flag("attention_bias", true);
        return LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            Norm = NormKind.Layer,
            NormBias = true,
            EpsilonField = "layer_norm_eps",
            Epsilon = 1e-5,
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            MlpBias = config.Flag("mlp_bias", true),
            Gated = false,
            Activation = Activation.SquaredRelu,
        });
    }
}
