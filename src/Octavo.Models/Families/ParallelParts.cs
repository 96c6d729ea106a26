namespace Octavo.Models;

/// <summary>
/// Layers whose attention and MLP stand beside each other: <c>x + attention(norm(x)) + mlp(norm(x))</c>.
/// </summary>
internal static class ParallelParts
{
    /// <summary>Both read the attention's norm.</summary>
    public static DecoderSpec BehindOneNorm(DecoderSpec spec)
    {
        AttentionSpec[] attentions = [.. spec.Attentions];
        return spec.MapFeedForward((i, mlp) => mlp with
        {
            ReadsLayerInput = true,
            NormBefore = attentions[i].NormBefore,
        });
    }
}
