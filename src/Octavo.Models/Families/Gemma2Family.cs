using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Gemma 2 (arXiv 2408.00118): Gemma with a norm behind each sublayer, too, soft caps on scores and logits, and a
/// sliding window in every other layer.
/// </summary>
internal static class Gemma2Family
{
    public static ModelFamily Family { get; } = new(
        "Gemma 2", "Gemma2ForCausalLM", "gemma2", Map, TiesHead: true, LlamaFamily.Buffers)
    {
        IdleFields = ["hidden_act"],
    };

    /// <summary>Scores are scaled by the config's own number, and capped where it says so.</summary>
    public static DecoderSpec WithScores(DecoderSpec spec, ConfigReader config, double? softCap, double? logitsSoftCap)
    {
        double scalar = config.Positive("query_pre_attn_scalar") ?? 256;
        double? cap = Cap("attn_logit_softcapping", softCap);
        return spec.MapAttention((_, attention) => attention with
        {
            Scale = (float)(1 / Math.Sqrt(scalar)),
            SoftCap = (float?)cap,
        }) with
        {
            LogitsSoftCap = (float?)Cap("final_logit_softcapping", logitsSoftCap),
        };

        // A null that stands there is one; where the field is absent, the family's number counts.
        double? Cap(string field, double? fallback) =>
            config.States(field) ? config.Positive(field) : fallback;
    }

    /// <summary>A norm before and one behind each sublayer.</summary>
    public static DecoderSpec WithNormsAround(DecoderSpec spec) => spec
        .MapAttention((_, attention) => attention with
        {
            NormOutput = LlamaLayout.Beside(attention.NormBefore!, "post_attention_layernorm"),
        })
        .MapFeedForward((_, mlp) => mlp with
        {
            NormBefore = LlamaLayout.Beside(mlp.NormBefore!, "pre_feedforward_layernorm"),
            NormOutput = LlamaLayout.Beside(mlp.NormBefore!, "post_feedforward_layernorm"),
        });

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        DecoderSpec spec = WithNormsAround(WithScores(
            GemmaFamily.Read(config, names, Family.Architecture, new RotaryTraits(), 4), config, 50, 30));
        int?[] windows = LayerTypes.Windows(
            config, spec.NumLayers, LayerTypes.WindowOf(config) ?? 4096, i => i % 2 == 0);
        return spec.MapAttention((i, attention) => attention with { Window = windows[i] });
    }
}
