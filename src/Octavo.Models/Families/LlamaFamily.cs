using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Llama (arXiv 2302.13971): RMSNorm before each sublayer, rotary positions, grouped-query attention, a gated SiLU MLP.
/// Config fields and defaults are those of transformers' <c>LlamaConfig</c>.
/// </summary>
internal static class LlamaFamily
{
    /// <summary>
    /// Buffers that old versions of transformers saved: tables of the rotary positions, which config.json states, and
    /// causal masks and what they mask with.
    /// </summary>
    public static IReadOnlyList<string> Buffers { get; } =
    [
        "rotary_emb.inv_freq", "rotary_emb.original_inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached",
        "self_attn.bias", "self_attn.masked_bias", "self_attn.causal_mask", "model.causal_mask",
    ];

    public static ModelFamily Family { get; } = new(
        "Llama 1 to 3.3, SmolLM 2, InternLM 3, and all of their form", "LlamaForCausalLM", "llama", Map,
        TiesHead: false, Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        Supported.Require(config, "pretraining_tp", config.Integer("pretraining_tp") ?? 1, 1);
        Supported.RequireNull(config, "sliding_window", "full attention");
        bool bias = config.Flag("attention_bias", false);
        return LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            MlpBias = config.Flag("mlp_bias", false),
        });
    }
}
