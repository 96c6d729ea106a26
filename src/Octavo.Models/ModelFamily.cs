using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Models of one shape: how their config and tensor names map onto a <see cref="DecoderSpec"/>.</summary>
/// <param name="Architecture">The name in the config's <c>architectures</c>.</param>
/// <param name="ModelType">The name in the config's <c>model_type</c>, for configs without architectures.</param>
/// <param name="Map">The mapping; it looks into the checkpoint only to learn how its tensors are named.</param>
internal sealed record ModelFamily(
    string Architecture, string ModelType, Func<ConfigReader, Checkpoint, DecoderSpec> Map);
