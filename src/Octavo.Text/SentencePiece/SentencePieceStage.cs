using System.Text;
using Octavo.Text.Models;
using Octavo.Text.Pipeline;

namespace Octavo.Text.SentencePiece;

/// <summary>
/// sentencepiece's own normalization: its rules, the one blank at the start, and blanks made visible. The result goes
/// to the model as one piece.
/// </summary>
/// <param name="model">The file, for its flags.</param>
/// <param name="userDefined">Pieces that are left as they are; null where there are none.</param>
/// <param name="prefixesEach">
/// Whether text after a special token gets its blank first, too (<c>legacy</c> in transformers).
/// </param>
/// <param name="next">The model's stage.</param>
internal sealed class SentencePieceStage(
    SentencePieceProto model, PieceTrie? userDefined, bool prefixesEach, TextStage next) : TextStage
{
    private readonly PrecompiledCharacterMap? _map =
        model.CharacterMap.Length == 0 ? null : PrecompiledCharacterMap.Read(model.CharacterMap);

    private readonly string _blank = model.EscapeWhitespaces ? SentencePieceProto.Blank : " ";

    public override void Accept(ReadOnlySpan<char> piece, bool first, List<int> ids)
    {
        string text = Normalize(piece, first || prefixesEach);
        if (text.Length > 0)
        {
            next.Accept(text, first, ids);
        }
    }

    private string Normalize(ReadOnlySpan<char> text, bool prefix)
    {
        StringBuilder result = new(text.Length + 8);
        byte[] utf8 = _map is null ? [] : new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(_map is null ? [] : text, utf8);
        bool atBlank = model.RemoveExtraWhitespaces; // what begins with a blank loses it here
        bool begun = false;
        int position = 0;
        int bytes = 0;
        while (position < text.Length)
        {
            ReadOnlySpan<char> part = Next(text[position..], utf8.AsSpan(bytes), out int length);
            bytes += _map is null ? 0 : Encoding.UTF8.GetByteCount(text.Slice(position, length));
            position += length;
            if (!begun && model.RemoveExtraWhitespaces && part is " ")
            {
                continue;
            }

            if (!begun && prefix && model.AddDummyPrefix)
            {
                result.Append(_blank);
            }

            begun = true;
            part = atBlank ? part.TrimStart(' ') : part;
            if (part.Length > 0)
            {
                int start = result.Length;
                result.Append(part).Replace(" ", _blank, start, part.Length);
                atBlank = part[^1] == ' ';
            }

            atBlank &= model.RemoveExtraWhitespaces;
        }

        int end = result.Length;
        while (model.RemoveExtraWhitespaces && end > 0 && result[end - 1] == _blank[0])
        {
            end--;
        }

        return result.ToString(0, end);
    }

    /// <summary>What the text's beginning becomes, and how many units of it that takes.</summary>
    private ReadOnlySpan<char> Next(ReadOnlySpan<char> text, ReadOnlySpan<byte> utf8, out int length)
    {
        length = userDefined?.Longest(text, out _) ?? 0;
        if (length > 0)
        {
            return text[..length];
        }

        if (_map?.Find(utf8, longest: true, out int bytes) is { } replacement)
        {
            length = Encoding.UTF8.GetCharCount(utf8[..bytes]);
            return replacement;
        }

        length = char.IsHighSurrogate(text[0]) ? 2 : 1;
        return text[..length];
    }
}
