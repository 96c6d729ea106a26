using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Models of one shape: how their config and tensor names map onto a <see cref="DecoderSpec"/>.</summary>
/// <param name="Title">What people call them.</param>
/// <param name="Architecture">The name in the config's <c>architectures</c>.</param>
/// <param name="ModelType">The name in the config's <c>model_type</c>, for configs without architectures.</param>
/// <param name="Map">The mapping; it looks into the checkpoint only to learn how its tensors are named, and whether a
/// head is stored.</param>
/// <param name="TiesHead">Whether the output head is the embedding where <c>tie_word_embeddings</c> is absent.</param>
/// <param name="Idle">Ends of the names of tensors that files of the family may hold and nobody needs, such as tables
/// that are computed anew.</param>
internal sealed record ModelFamily(
    string Title, string Architecture, string ModelType, Func<ConfigReader, TensorNames, DecoderSpec> Map,
    bool TiesHead,
    IReadOnlyList<string> Idle)
{
    /// <summary>
    /// Fields that configs of the family hold and transformers does not read, or derives from others.
    /// </summary>
    public IReadOnlyList<string> IdleFields { get; init; } = [];

    /// <summary>Further names of the <c>model_type</c> of the text part of models with several.</summary>
    public IReadOnlyList<string> TextTypes { get; init; } = [];
}
