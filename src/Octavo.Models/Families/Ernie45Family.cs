using Octavo.Formats;

namespace Octavo.Models;

/// <summary>ERNIE 4.5, dense: Llama whose rotary pairs are neighbours, and one flag for all biases.</summary>
internal static class Ernie45Family
{
    public static ModelFamily Family { get; } = new(
        "ERNIE 4.5, dense", "Ernie4_5ForCausalLM", "ernie4_5", Map, TiesHead: true, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        bool bias = config.Flag("use_bias", false);
        return LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            KvHeads = 2,
            Epsilon = 1e-5,
            HeadDim = config.States("head_dim") ? null : 128,
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            MlpBias = bias,
            Rotary = new RotaryTraits { Theta = 500_000, Interleaved = true },
        });
    }
}
