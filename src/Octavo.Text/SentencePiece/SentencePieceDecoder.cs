using System.Buffers;
using System.Text;
using Octavo.Text.Decoding;
using Octavo.Text.Models;

namespace Octavo.Text.SentencePiece;

/// <summary>
/// Pieces to text as sentencepiece does it: control pieces vanish, the unknown piece has a text of its own, bytes are
/// UTF-8 (each that is not becomes U+FFFD), and the blank that encoding put first is taken off.
/// </summary>
internal sealed class SentencePieceDecoder(SentencePieceProto model) : TokenDecoder
{
    private readonly HashSet<string> _control =
        [.. model.Pieces.Where(p => p.Type == PieceType.Control).Select(p => p.Text)];

    private readonly string _unknown = model.Pieces[model.UnknownId].Text;

    public override bool SpellsBytes => model.ByteFallback;

    public override DecoderStream Open(DecoderStream next) => new Stream(next, this, model);

    private sealed class Stream(DecoderStream next, SentencePieceDecoder decoder, SentencePieceProto model)
        : WholeTokenStep(next)
    {
        private readonly List<byte> _bytes = []; // of a character that is not complete
        private int _ofPrompt; // so many of them are the prompt's
        private bool _atStart = model.AddDummyPrefix || model.RemoveExtraWhitespaces;

        protected override void Token(string token)
        {
            if (decoder.SpellsBytes && ByteTokens.TryParse(token, out byte value))
            {
                _bytes.Add(value);
                EmitBytes(final: false);
                return;
            }

            EmitBytes(final: true);
            string text = decoder._control.Contains(token) ? ""
                : token == decoder._unknown ? model.UnknownSurface
                : token;
            bool tookBlank = false;
            if (_atStart && ReferenceEquals(text, token)
                && text.StartsWith(SentencePieceProto.Blank, StringComparison.Ordinal))
            {
                text = text[1..];
                tookBlank = !model.RemoveExtraWhitespaces;
            }

            text = ReferenceEquals(text, model.UnknownSurface) ? text
                : text.Replace(SentencePieceProto.Blank, " ", StringComparison.Ordinal);
            _atStart &= !tookBlank && text.Length == 0;
            Emit(text);
        }

        public override void End()
        {
            EmitBytes(final: true);
            Next.End();
        }

        public override void EndPrompt()
        {
            _ofPrompt = _bytes.Count;
            Next.EndPrompt();
        }

        private void EmitBytes(bool final)
        {
            while (_bytes.Count > 0)
            {
                OperationStatus status = Rune.DecodeFromUtf8(
                    System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_bytes), out Rune rune, out int length);
                if (status == OperationStatus.NeedMoreData && !final)
                {
                    return;
                }

                bool valid = status == OperationStatus.Done;
                if (valid || _ofPrompt == 0)
                {
                    Emit(valid ? rune.ToString() : "\uFFFD");
                    _atStart = false;
                }

                length = valid ? length : 1;
                _ofPrompt = valid ? 0 : Math.Max(0, _ofPrompt - 1);
                _bytes.RemoveRange(0, length);
            }
        }
    }
}
