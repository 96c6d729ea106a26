namespace Octavo.Models;

/// <summary>Changes the parts of a decoder's layers, each by its layer's number.</summary>
internal static class LayerMapping
{
    /// <summary>Changes every attention.</summary>
    public static DecoderSpec MapAttention(this DecoderSpec spec, Func<int, AttentionSpec, AttentionSpec> map) =>
        spec.MapParts(map);

    /// <summary>Changes every MLP.</summary>
    public static DecoderSpec MapFeedForward(
        this DecoderSpec spec, Func<int, FeedForwardSpec, FeedForwardSpec> map) => spec.MapParts(map);

    /// <summary>Changes every part.</summary>
    public static DecoderSpec MapParts(this DecoderSpec spec, Func<PartSpec, PartSpec> map) =>
        spec.MapParts<PartSpec>((_, part) => map(part));

    private static DecoderSpec MapParts<T>(this DecoderSpec spec, Func<int, T, T> map)
        where T : PartSpec => spec with
        {
            Layers = [.. spec.Layers.Select((layer, i) =>
                new LayerSpec([.. layer.Parts.Select(part => part is T known ? map(i, known) : part)]))],
        };
}
