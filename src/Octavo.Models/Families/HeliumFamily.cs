using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Helium 1: Llama whose rotary pairs are neighbours.</summary>
internal static class HeliumFamily
{
    public static ModelFamily Family { get; } = new(
        "Helium", "HeliumForCausalLM", "helium", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        bool bias = config.Flag("attention_bias", false);
        return LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            Epsilon = 1e-8,
            HeadDim = 128,
            KvHeads = 20,
            QueryKeyValueBias = bias,
            MlpBias = config.Flag("mlp_bias", false),
            Rotary = new RotaryTraits { Theta = 100_000, Interleaved = true },
        });
    }
}
