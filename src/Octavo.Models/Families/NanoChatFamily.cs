using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// nanochat: norms without weights, one of them behind the embedding, those of query and key heads behind the rotation,
/// which turns the other way; an MLP of squared ReLU without a gate; logits that are capped.
/// </summary>
internal static class NanoChatFamily
{
    public static ModelFamily Family { get; } = new(
        "nanochat", "NanoChatForCausalLM", "nanochat", Map, TiesHead: false, LlamaFamily.Buffers);

    private const string SoftCap = "final_logit_softcapping";

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        bool bias = config.Flag("attention_bias", false);
        DecoderSpec spec = LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            Gated = false,
            Activation = Activation.SquaredRelu,
        });
        var none = new NormTensors(null, null);
        NormSpec norm = spec.FinalNorm! with { Names = none };
        return spec
            .MapAttention((_, attention) => attention with
            {
                NormBefore = norm,
                QueryNorm = norm with { Width = attention.HeadDim },
                KeyNorm = norm with { Width = attention.HeadDim },
                NormsAfterRotation = true,
                Positions = ((RotaryPositions)attention.Positions!) with { Reversed = true },
            })
            .MapFeedForward((_, mlp) => mlp with
            {
                NormBefore = norm,
                Up = LlamaLayout.Linear(mlp.Up.Module.Replace("up_proj", "fc1", StringComparison.Ordinal), false),
                Down = LlamaLayout.Linear(
                    mlp.Down.Module.Replace("down_proj", "fc2", StringComparison.Ordinal), false),
            }) with
        {
            EmbeddingNorm = norm,
            FinalNorm = norm,
            LogitsSoftCap = config.States(SoftCap) ? (float?)config.Positive(SoftCap) : 15,
        };
    }
}
