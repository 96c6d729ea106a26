using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Command R: attention and MLP beside each other behind one layer norm without a bias, rotary pairs that are
/// neighbours, a tied head whose logits are scaled.
/// </summary>
internal static class CohereFamily
{
    public static ModelFamily Family { get; } = new(
        "Command R", "CohereForCausalLM", "cohere", Map, TiesHead: true, LlamaFamily.Buffers);

    /// <summary>What Command R and its successors share.</summary>
    public static DecoderSpec Read(ConfigReader config, TensorNames names, string architecture, double theta)
    {
        bool bias = config.Flag("attention_bias", false);
        DecoderSpec spec = LlamaLayout.Read(config, names, architecture, tiesHead: true, new LlamaTraits
        {
            Norm = NormKind.Layer,
            EpsilonField = "layer_norm_eps",
            Epsilon = 1e-5,
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            Rotary = new RotaryTraits { Theta = theta, Interleaved = true },
        });
        return ParallelParts.BehindOneNorm(spec) with
        {
            LogitsScale = (float)(config.Positive("logit_scale") ?? 0.0625)
        };
    }

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        DecoderSpec spec = Read(config, names, Family.Architecture, 500_000);
        return !config.Flag("use_qk_norm", false) ? spec : spec.MapAttention((_, attention) =>
        {
            AttentionSpec normed = LlamaLayout.WithHeadNorms(attention);
            return normed with
            {
                QueryNorm = normed.QueryNorm! with { Heads = attention.NumHeads },
                KeyNorm = normed.KeyNorm! with { Heads = attention.NumKvHeads },
            };
        });
    }
}
