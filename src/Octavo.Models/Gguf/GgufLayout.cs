using System.Globalization;
using Octavo.Formats;

namespace Octavo.Models.Gguf;

/// <summary>
/// Gives a decoder the tensor names, and the arrangement of tensors, that GGUF files have: one table for all families,
/// as what a tensor does decides how it is called. Which biases, scales and heads there are the file's tensors say.
/// </summary>
internal sealed class GgufLayout(GgufArchitecture architecture, ITensorSet tensors)
{
    /// <summary>Tensors that are settings, which the config has taken up.</summary>
    public static IReadOnlyList<string> Idle { get; } =
        ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"];

    /// <summary>The decoder with a file's names.</summary>
    public DecoderSpec Apply(DecoderSpec spec) => spec with
    {
        TokenEmbedding = "token_embd.weight",
        EmbeddingNorm = Norm(spec.EmbeddingNorm, "token_embd_norm"),
        LearnedPositions = spec.LearnedPositions is { } learned
            ? learned with { Table = "position_embd.weight" }
            : null,
        LayerInputs = spec.LayerInputs is { } inputs
            ? inputs with
            {
                Table = "per_layer_token_embd.weight",
                TableRows = Rows("per_layer_token_embd.weight", inputs.TableRows),
                Projection = Linear("per_layer_model_proj"),
                Norm = Norm(inputs.Norm, "per_layer_proj_norm")!,
            }
            : null,
        FinalNorm = Norm(spec.FinalNorm, "output_norm"),
        OutputHead = tensors.Contains("output.weight") ? Linear("output") : null,
        Layers = [.. spec.Layers.Select((layer, i) => Layer(
            layer, string.Create(CultureInfo.InvariantCulture, $"blk.{i}.")))],
    };

    private LayerSpec Layer(LayerSpec layer, string block) => new([.. layer.Parts.Select(part => Common(
        part switch
        {
            AttentionSpec attention => Attention(attention, block),
            FeedForwardSpec mlp => FeedForward(mlp, layer, block),
            LayerInputSpec input => input with
            {
                NormOutput = Norm(input.NormOutput, $"{block}post_norm"),
                Gate = Linear($"{block}inp_gate"),
                Projection = Linear($"{block}proj"),
            },
            _ => throw new ArgumentException($"{part.GetType().Name} has no name in GGUF", nameof(layer)),
        },
        block))]);

    private PartSpec Common(PartSpec part, string block)
    {
        string scale = $"{block}layer_output_scale.weight";
        return part.SumScale is null ? part : part with { SumScale = tensors.Contains(scale) ? scale : null };
    }

    private AttentionSpec Attention(AttentionSpec attention, string block)
    {
        (LinearTensors query, LinearTensors? key, LinearTensors? value) = tensors.Contains($"{block}attn_qkv.weight")
            ? Fused.Stacked(Linear($"{block}attn_qkv"), attention.QueryWidth, attention.KeyWidth)
            : (Linear($"{block}attn_q"), Linear($"{block}attn_k"), Linear($"{block}attn_v"));
        if (architecture.PairsHeads && attention.Positions is RotaryPositions or null)
        {
            query = query with { Rows = StoredRows.OfPairs(attention.QueryWidth, attention.HeadDim) };
            key = key with { Rows = StoredRows.OfPairs(attention.KeyWidth, attention.HeadDim) };
        }

        return attention with
        {
            NormBefore = Norm(attention.NormBefore, AttentionNorm(block)),
            NormOutput = Norm(attention.NormOutput, $"{block}post_attention_norm"),
            QueryNorm = Norm(attention.QueryNorm, $"{block}attn_q_norm"),
            KeyNorm = Norm(attention.KeyNorm, $"{block}attn_k_norm"),
            Query = query,
            Key = attention.Key is null ? null : key,
            Value = attention.Value is null ? null : value,
            Output = Linear($"{block}attn_output"),
            CacheScales = null,
        };
    }

    // Falcon's newer form has a norm of its own before each of two parts that stand side by side.
    private string AttentionNorm(string block) =>
        tensors.Contains($"{block}attn_norm_2.weight") ? $"{block}attn_norm_2" : $"{block}attn_norm";

    private FeedForwardSpec FeedForward(FeedForwardSpec mlp, LayerSpec layer, string block)
    {
        // Parts side by side read one norm, unless there are two.
        AttentionSpec attention = layer.Parts.OfType<AttentionSpec>().Single();
        bool shares = mlp.NormBefore is { } norm && norm == attention.NormBefore;
        string ownNorm = tensors.Contains($"{block}attn_norm_2.weight") ? $"{block}attn_norm" : $"{block}ffn_norm";
        LinearTensors up = Linear($"{block}ffn_up");
        bool fused = mlp.IsGated && !tensors.Contains($"{block}ffn_gate.weight");
        int width = mlp.IntermediateSize;
        return mlp with
        {
            NormBefore = Norm(mlp.NormBefore, shares ? $"{block}attn_norm" : ownNorm),
            NormOutput = Norm(mlp.NormOutput, $"{block}post_ffw_norm"),
            Gate = !mlp.IsGated ? null
                : fused ? up with { Rows = StoredRows.Slice(0, width, 2 * width) }
                : Linear($"{block}ffn_gate"),
            Up = fused ? up with { Rows = StoredRows.Slice(width, width, 2 * width) } : up,
            Down = Linear($"{block}ffn_down"),
        };
    }

    private LinearTensors Linear(string module) =>
        new($"{module}.weight", tensors.Contains($"{module}.bias") ? $"{module}.bias" : null);

    /// <summary>Weights that checkpoints store as their difference from 1 are whole here.</summary>
    private NormSpec? Norm(NormSpec? norm, string module) => norm?.Names.Weight is null
        ? norm
        : norm with
        {
            Names = new NormTensors(
                $"{module}.weight", tensors.Contains($"{module}.bias") ? $"{module}.bias" : null),
            WeightOffset = 0,
        };

    private int Rows(string table, int fallback) =>
        tensors.TryGet(table, out Tensor? tensor) && tensor.Shape.Count > 0
            ? (int)Math.Min(tensor.Shape[0], ConfigLimits.Vocabulary)
            : fallback;
}
