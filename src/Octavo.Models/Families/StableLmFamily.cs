using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// StableLM: Llama with layer norms and a quarter of each head rotated; attention and MLP may stand beside each other
/// behind one norm.
/// </summary>
internal static class StableLmFamily
{
    public static ModelFamily Family { get; } = new(
        "StableLM", "StableLmForCausalLM", "stablelm", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        DecoderSpec spec = LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            KvHeads = 32,
            Norm = NormKind.Layer,
            NormBias = true,
            EpsilonField = "layer_norm_eps",
            Epsilon = 1e-5,
            QueryKeyValueBias = config.Flag("use_qkv_bias", false),
            Rotary = new RotaryTraits { Partial = 0.25 },
        });
        if (config.Flag("qk_layernorm", false))
        {
            throw new UnsupportedModelException(config.File, "qk_layernorm", "true", "false");
        }

        return config.Flag("use_parallel_residual", false) ? ParallelParts.BehindOneNorm(spec) : spec;
    }
}
