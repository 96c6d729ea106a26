namespace Octavo.Models;

/// <summary>Matrices that share a tensor.</summary>
internal static class Fused
{
    /// <summary>Queries, keys and values one behind another in <c>qkv_proj</c>.</summary>
    public static DecoderSpec QueryKeyValue(DecoderSpec spec) => spec.MapAttention((_, attention) =>
    {
        string module = LlamaLayout.AttentionModule(attention) + "qkv_proj";
        int total = attention.QueryWidth + (2 * attention.KeyWidth);
        return attention with
        {
            Query = Slice(module, attention.Query, 0, attention.QueryWidth, total),
            Key = Slice(module, attention.Key, attention.QueryWidth, attention.KeyWidth, total),
            Value = Slice(
                module, attention.Value, attention.QueryWidth + attention.KeyWidth, attention.KeyWidth, total),
        };
    });

    /// <summary>Gate and up one behind another.</summary>
    public static DecoderSpec GateUp(DecoderSpec spec, string name) => spec.MapFeedForward((_, mlp) =>
    {
        string module = mlp.Up.Module[..(mlp.Up.Module.LastIndexOf('.') + 1)] + name;
        return mlp with
        {
            Gate = Slice(module, mlp.Gate!, 0, mlp.IntermediateSize, 2 * mlp.IntermediateSize),
            Up = Slice(module, mlp.Up, mlp.IntermediateSize, mlp.IntermediateSize, 2 * mlp.IntermediateSize),
        };
    });

    private static LinearTensors Slice(string module, LinearTensors like, int first, int count, int total) =>
        LlamaLayout.Linear(module, like.Bias is not null) with { Rows = StoredRows.Slice(first, count, total) };
}
