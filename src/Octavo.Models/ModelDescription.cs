using Octavo.Formats;

namespace Octavo.Models;

/// <summary>What a checkpoint is: its decoder, its special tokens, and how its weights are stored.</summary>
internal sealed class ModelDescription
{
    internal ModelDescription(
        DecoderSpec spec, int? bosTokenId, IReadOnlyList<int> eosTokenIds, TensorType storedType,
        IReadOnlyList<string> notes)
    {
        (Spec, BosTokenId, EosTokenIds, StoredType, Notes) = (spec, bosTokenId, eosTokenIds, storedType, notes);
    }

    /// <summary>The decoder; every tensor that it names is in the checkpoint, with the shape that it implies.</summary>
    public DecoderSpec Spec { get; }

    /// <summary>The token that begins a text, or null.</summary>
    public int? BosTokenId { get; }

    /// <summary>
    /// The tokens that end a text: those of <c>generation_config.json</c>, then the others of <c>config.json</c>. The
    /// tokenizer's own ends one, too, and comes before them.
    /// </summary>
    public IReadOnlyList<int> EosTokenIds { get; }

    /// <summary>The type that the config declares for the weights, else the token embedding's.</summary>
    public TensorType StoredType { get; }

    /// <summary>What in the model's files is not used, or not as it stands there, in words; usually nothing.</summary>
    public IReadOnlyList<string> Notes { get; }
}
