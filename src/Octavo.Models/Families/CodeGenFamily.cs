using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// CodeGen (arXiv 2203.13474): GPT-J whose queries, values and keys stand in one tensor, in four stretches for the four
/// processors that it was trained on.
/// </summary>
internal static class CodeGenFamily
{
    private const int Stretches = 4;

    public static ModelFamily Family { get; } = new(
        "CodeGen", "CodeGenForCausalLM", "codegen", Map, TiesHead: false, ["attn.bias", "attn.causal_mask"]);

    private static DecoderSpec Map(ConfigReader config, TensorNames names) =>
        GptJFamily.Read(config, names, Family.Architecture, (layer, hidden) =>
        {
            if (hidden % Stretches != 0)
            {
                throw config.Invalid("n_embd", $"is {hidden}; it must be a multiple of {Stretches}");
            }

            LinearTensors fused = LlamaLayout.Linear($"{layer}attn.qkv_proj", false);
            int run = hidden / Stretches;
            return (Stretch(0), Stretch(2), Stretch(1));

            LinearTensors Stretch(int which) =>
                fused with { Rows = new StoredRows(which * run, run, 3 * run, 3 * hidden) };
        });
}
