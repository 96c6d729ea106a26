using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// GLM-4 as published in 2024: Llama that rotates half of each head, neighbours being pairs, with gate and up in one
/// tensor.
/// </summary>
internal static class GlmFamily
{
    public static ModelFamily Family { get; } = new(
        "GLM-4", "GlmForCausalLM", "glm", Map, TiesHead: false, LlamaFamily.Buffers);

    /// <summary>What GLM-4 and its successor share.</summary>
    public static DecoderSpec Read(ConfigReader config, TensorNames names, string architecture) => Fused.GateUp(
        LlamaLayout.Read(config, names, architecture, tiesHead: false, new LlamaTraits
        {
            KvHeads = 2,
            Epsilon = 1.5625e-7,
            HeadDim = 128,
            QueryKeyValueBias = config.Flag("attention_bias", true),
            Rotary = new RotaryTraits { Partial = 0.5, Interleaved = true },
        }),
        "gate_up_proj");

    private static DecoderSpec Map(ConfigReader config, TensorNames names) =>
        Read(config, names, Family.Architecture);
}
