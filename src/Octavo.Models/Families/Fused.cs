namespace Octavo.Models;

/// <summary>Matrices that share a tensor.</summary>
internal static class Fused
{
    /// <summary>Queries, keys and values one behind another in <c>qkv_proj</c>.</summary>
    public static DecoderSpec QueryKeyValue(DecoderSpec spec) => spec.MapAttention((_, attention) =>
    {
        string module = LlamaLayout.AttentionModule(attention) + "qkv_proj";
        (LinearTensors query, LinearTensors key, LinearTensors value) = Stacked(
            LlamaLayout.Linear(module, attention.Query.Bias is not null), attention.QueryWidth, attention.KeyWidth);
        return attention with { Query = query, Key = key, Value = value };
    });

    /// <summary>Gate and up one behind another.</summary>
    public static DecoderSpec GateUp(DecoderSpec spec, string name) => spec.MapFeedForward((_, mlp) =>
    {
        string module = mlp.Up.Module[..(mlp.Up.Module.LastIndexOf('.') + 1)] + name;
        LinearTensors fused = LlamaLayout.Linear(module, mlp.Up.Bias is not null);
        int width = mlp.IntermediateSize;
        return mlp with
        {
            Gate = fused with { Rows = StoredRows.Slice(0, width, 2 * width) },
            Up = fused with { Rows = StoredRows.Slice(width, width, 2 * width) },
        };
    });

    /// <summary>Queries, keys and values one behind another in one tensor.</summary>
    public static (LinearTensors Query, LinearTensors Key, LinearTensors Value) Stacked(
        LinearTensors fused, int queries, int keys)
    {
        int total = queries + (2 * keys);
        return (
            fused with { Rows = StoredRows.Slice(0, queries, total) },
            fused with { Rows = StoredRows.Slice(queries, keys, total) },
            fused with { Rows = StoredRows.Slice(queries + keys, keys, total) });
    }

    /// <summary>
    /// Groups of some query heads, the key head that they share, and its value head, one group behind another.
    /// </summary>
    public static (LinearTensors Query, LinearTensors Key, LinearTensors Value) Grouped(
        LinearTensors fused, int heads, int kvHeads, int headDim)
    {
        int perGroup = heads / kvHeads;
        int stride = (perGroup + 2) * headDim, total = kvHeads * stride;
        return (
            fused with { Rows = new StoredRows(0, perGroup * headDim, stride, total) },
            fused with { Rows = new StoredRows(perGroup * headDim, headDim, stride, total) },
            fused with { Rows = new StoredRows((perGroup + 1) * headDim, headDim, stride, total) });
    }
}
