using System.Text;
using System.Text.Unicode;
using Octavo.Text.Models;
using Octavo.Text.Tokens;

namespace Octavo.Text.Decoding;

/// <summary>
/// Tokens spelled in the byte-level alphabet become their bytes, joined, as UTF-8; a token with another character in
/// it is text.
/// </summary>
internal sealed class ByteLevelDecoder : TokenDecoder
{
    public override DecoderStream Open(DecoderStream next) => new Stream(next);

    private sealed class Stream(DecoderStream next) : WholeTokenStep(next)
    {
        private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();

        // The prompt ended within a character. If what follows does not finish it, its U+FFFD belongs to the prompt.
        private bool _promptUnfinished;

        protected override void Token(string token)
        {
            byte[] bytes = new byte[token.Length];
            if (!ByteAlphabet.TryDecode(token, bytes, out int count))
            {
                bytes = Encoding.UTF8.GetBytes(token);
                count = bytes.Length;
            }

            Feed(bytes.AsSpan(0, count), flush: false);
        }

        public override void End()
        {
            Feed([], flush: true);
            Next.Write("", ends: true);
            Next.End();
        }

        public override void EndPrompt()
        {
            _promptUnfinished = _utf8.GetCharCount([], flush: true) > 0;
            Next.EndPrompt();
        }

        private void Feed(ReadOnlySpan<byte> bytes, bool flush)
        {
            char[] chars = new char[Encoding.UTF8.GetMaxCharCount(bytes.Length + 3)];
            string text = chars.AsSpan(0, _utf8.GetChars(bytes, chars, flush)).ToString();
            if (_promptUnfinished && text.Length > 0)
            {
                text = text[0] == '\uFFFD' ? text[1..] : text;
                _promptUnfinished = false;
            }

            Next.Write(text, ends: false);
        }
    }
}

/// <summary>
/// A run of tokens like &lt;0xE4&gt; becomes the text that its bytes are; where they are not UTF-8, one U+FFFD each.
/// A run is withheld until it ends, because its last byte may make all of it invalid.
/// </summary>
internal sealed class ByteFallbackDecoder : TokenDecoder
{
    public override bool SpellsBytes => true;

    public override DecoderStream Open(DecoderStream next) => new Stream(next);

    private sealed class Stream(DecoderStream next) : WholeTokenStep(next)
    {
        private readonly List<byte> _run = [];
        private int _ofPrompt; // so many bytes of the run are the prompt's

        protected override void Token(string token)
        {
            if (ByteTokens.TryParse(token, out byte value))
            {
                _run.Add(value);
                return;
            }

            Flush();
            Emit(token);
        }

        public override void End()
        {
            Flush();
            Next.End();
        }

        public override void EndPrompt()
        {
            // Whole characters are settled; those that lack bytes may be finished by what follows.
            int unfinished = UnfinishedTail(_run);
            byte[] tail = [.. _run.TakeLast(unfinished)];
            _run.RemoveRange(_run.Count - unfinished, unfinished);
            Flush();
            _run.AddRange(tail);
            _ofPrompt = unfinished;
            Next.EndPrompt();
        }

        private void Flush()
        {
            if (_run.Count == 0)
            {
                return;
            }

            byte[] bytes = [.. _run];
            if (Utf8.IsValid(bytes))
            {
                Emit(Encoding.UTF8.GetString(bytes));
            }
            else
            {
                for (int i = _ofPrompt; i < bytes.Length; i++)
                {
                    Emit("\uFFFD");
                }
            }

            _run.Clear();
            _ofPrompt = 0;
        }

        private static int UnfinishedTail(List<byte> run)
        {
            for (int length = 1; length <= 3 && length <= run.Count; length++)
            {
                int needed = run[^length] switch
                {
                    >= 0xF0 and <= 0xF4 => 4,
                    >= 0xE0 and < 0xF0 => 3,
                    >= 0xC2 and < 0xE0 => 2,
                    _ => 0,
                };
                if (needed > 0)
                {
                    return needed > length ? length : 0;
                }
            }

            return 0;
        }
    }
}
