namespace Octavo.Text;

/// <summary>An entry of <c>added_tokens</c>.</summary>
/// <param name="Id">The token's id.</param>
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
    bool Normalized);
