using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Seed-OSS: Llama with flags of their own for the biases of attention.</summary>
internal static class SeedOssFamily
{
    public static ModelFamily Family { get; } = new(
        "Seed-OSS", "SeedOssForCausalLM", "seed_oss", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names) => LlamaLayout.Read(
        config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            KvHeads = 8,
            HeadDim = config.States("head_dim") ? null : 128,
            QueryKeyValueBias = config.Flag("attention_bias", true),
            AttentionOutputBias = config.Flag("attention_out_bias", false),
            MlpBias = config.Flag("mlp_bias", false),
        });
}
