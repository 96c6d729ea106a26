using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// GPT-J: attention and MLP beside each other behind one norm, the first elements of each head rotated, neighbours
/// being pairs; a head with a bias.
/// </summary>
internal static class GptJFamily
{
    public static ModelFamily Family { get; } = new(
        "GPT-J", "GPTJForCausalLM", "gptj", Map, TiesHead: false, ["attn.bias", "attn.masked_bias"]);

    private const int DefaultRotated = 64;

    /// <summary>What GPT-J and CodeGen share.</summary>
    public static DecoderSpec Read(
        ConfigReader config, TensorNames names, string architecture,
        Func<string, int, (LinearTensors, LinearTensors, LinearTensors)> projections)
    {
        PlainSizes sizes = PlainSizes.Read(config);
        int rotated = config.Integer("rotary_dim", 2, sizes.HeadDim)
            ?? (config.States("rotary_dim")
                ? throw config.Invalid("rotary_dim", "is null; it must be the number of elements that are rotated")
                : Math.Min(DefaultRotated, sizes.HeadDim));
        if (rotated % 2 != 0)
        {
            throw config.Invalid("rotary_dim", $"is {rotated}; it must rotate whole pairs");
        }

        return ParallelParts.BehindOneNorm(new PlainLayout
        {
            Architecture = architecture,
            Names = PlainNames.Gpt2 with
            {
                MlpNorm = "ln_1",
                AttentionOutput = "attn.out_proj",
                Up = "mlp.fc_in",
                Down = "mlp.fc_out",
            },
            Sizes = sizes,
            Projections = layer => projections(layer, sizes.Hidden),
            AttentionOutputBias = false,
            MaxPositions = PlainSizes.MaxPositions(config, 2048),
            Epsilon = config.Positive("layer_norm_epsilon") ?? 1e-5,
            Activation = ActivationConfig.Read(config, "activation_function", Activation.TanhGelu),
            Positions = new RotaryPositions(10000, null)
            {
                Dims = rotated == sizes.HeadDim ? null : rotated,
                Interleaved = true,
            },
        }.Read(config, names, TiedHead.Read(config, names, fallback: false, bias: true)));
    }

    private static DecoderSpec Map(ConfigReader config, TensorNames names) =>
        Read(config, names, Family.Architecture, (layer, _) => (
            LlamaLayout.Linear($"{layer}attn.q_proj", false),
            LlamaLayout.Linear($"{layer}attn.k_proj", false),
            LlamaLayout.Linear($"{layer}attn.v_proj", false)));
}
