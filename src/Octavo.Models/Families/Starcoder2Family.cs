using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Starcoder 2 (arXiv 2402.19173): layer norms, biases, an MLP without a gate, a sliding window.</summary>
internal static class Starcoder2Family
{
    public static ModelFamily Family { get; } = new(
        "StarCoder 2", "Starcoder2ForCausalLM", "starcoder2", Map, TiesHead: true, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        bool bias = config.Flag("use_bias", true);
        DecoderSpec spec = LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            KvHeads = 2,
            Norm = NormKind.Layer,
            NormBias = true,
            EpsilonField = "norm_epsilon",
            Epsilon = 1e-5,
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            MlpBias = bias,
            Gated = false,
            Activation = Activation.TanhGelu,
        });
        int? window = LayerTypes.WindowOf(config);
        return spec
            .MapAttention((_, attention) => attention with { Window = window })
            .MapFeedForward((_, mlp) => mlp with
            {
                Up = LlamaLayout.Linear(mlp.Up.Module.Replace("up_proj", "c_fc", StringComparison.Ordinal), bias),
                Down = LlamaLayout.Linear(
                    mlp.Down.Module.Replace("down_proj", "c_proj", StringComparison.Ordinal), bias),
            });
    }
}
