using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Arcee's AFM: Llama with an MLP of squared ReLU without a gate.</summary>
internal static class ArceeFamily
{
    public static ModelFamily Family { get; } = new(
        "Arcee AFM", "ArceeForCausalLM", "arcee", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        bool bias = config.Flag("attention_bias", false);
        return LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            Epsilon = 1e-5,
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            MlpBias = config.Flag("mlp_bias", false),
            Gated = false,
            Activation = Activation.SquaredRelu,
        });
    }
}
