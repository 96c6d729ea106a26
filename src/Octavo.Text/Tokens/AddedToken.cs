using Octavo.Text.Json;

namespace Octavo.Text.Tokens;

/// <summary>An entry of <c>added_tokens</c>, or of the files that list tokens beside tokenizer.json.</summary>
/// <param name="Id">The token's id, or <see cref="NoId"/>.</param>
/// <param name="Content">The text that it stands for.</param>
/// <param name="Special">Whether it steers the model and is left out of decoded text on request.</param>
/// <param name="SingleWord">Whether it counts only between word boundaries.</param>
/// <param name="LStrip">Whether it takes the blanks before it.</param>
/// <param name="RStrip">Whether it takes the blanks after it.</param>
/// <param name="Normalized">Whether it is looked for in normalized text, itself normalized.</param>
internal sealed record AddedToken(
    int Id,
    string Content,
    bool Special,
    bool SingleWord,
    bool LStrip,
    bool RStrip,
    bool Normalized)
{
    /// <summary>The <see cref="Id"/> of a token that gets its id from the vocabulary.</summary>
    public const int NoId = -1;

    /// <summary>Reads the content and the flags of an object.</summary>
    public static AddedToken Read(JsonField item, int id)
    {
        bool special = item.BoolOr("special", false);
        return new AddedToken(
            id,
            item.Require("content").AsString(),
            special,
            item.BoolOr("single_word", false),
            item.BoolOr("lstrip", false),
            item.BoolOr("rstrip", false),
            item.BoolOr("normalized", !special));
    }
}
