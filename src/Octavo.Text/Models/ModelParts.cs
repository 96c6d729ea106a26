namespace Octavo.Text.Models;

/// <summary>A model as read, before it is known how its pieces are spelled.</summary>
/// <param name="Vocab">The tokens and their ids.</param>
/// <param name="Model">Makes the model.</param>
/// <param name="BytesModel">
/// Makes the same for pieces that are not spelled in the byte-level alphabet though their tokens are; null where that
/// is not the same.
/// </param>
internal sealed record ModelParts(Dictionary<string, int> Vocab, Func<TextModel> Model, Func<TextModel>? BytesModel);
