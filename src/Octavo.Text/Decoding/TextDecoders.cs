using System.Text;
using Octavo.Text.Patterns;

namespace Octavo.Text.Decoding;

/// <summary>
/// The visible character that stands for a blank becomes one; in the first token it vanishes where encoding had put
/// one first.
/// </summary>
internal sealed class MetaspaceDecoder(string replacement, bool dropsFirst) : TokenDecoder
{
    public override DecoderStream Open(DecoderStream next) => new Stream(next, replacement, dropsFirst);

    private sealed class Stream(DecoderStream next, string replacement, bool dropsFirst) : DecoderStep(next)
    {
        private bool _first = true;

        public override void Write(string fragment, bool ends)
        {
            string blank = _first && dropsFirst ? "" : " ";
            Next.Write(fragment.Replace(replacement, blank, StringComparison.Ordinal), ends);
            _first &= !ends;
        }
    }
}

/// <summary>Replaces each match of a pattern within a token.</summary>
internal sealed class ReplaceDecoder(TextPattern pattern, string replacement) : TokenDecoder
{
    public override DecoderStream Open(DecoderStream next) => new Stream(next, pattern, replacement);

    private sealed class Stream(DecoderStream next, TextPattern pattern, string replacement) : WholeTokenStep(next)
    {
        protected override void Token(string token) => Emit(pattern.Replace(token, replacement));
    }
}

/// <summary>Takes up to so many of a character off a token's ends.</summary>
internal sealed class StripDecoder(char content, int start, int stop) : TokenDecoder
{
    public override DecoderStream Open(DecoderStream next) => new Stream(next, content, start, stop);

    private sealed class Stream(DecoderStream next, char content, int start, int stop) : DecoderStep(next)
    {
        private int _taken; // of the current token's first characters
        private int _withheld; // characters that may turn out to be among the last

        public override void Write(string fragment, bool ends)
        {
            int taken = 0;
            while (taken < fragment.Length && _taken + taken < start && fragment[taken] == content)
            {
                taken++;
            }

            _taken = ends ? 0 : taken < fragment.Length ? start : _taken + taken;
            string text = new string(content, _withheld) + fragment[taken..];
            int tail = 0;
            while (tail < text.Length && tail < stop && text[^(tail + 1)] == content)
            {
                tail++;
            }

            _withheld = ends ? 0 : tail;
            Next.Write(text[..^tail], ends);
        }

        public override void EndPrompt()
        {
            _withheld = 0; // the end of the prompt's text, and stripped from it
            Next.EndPrompt();
        }
    }
}

/// <summary>A token that continues a word loses its prefix; any other but the first gets a space before it.</summary>
internal sealed class WordPieceDecoder(string prefix, bool cleanUp) : TokenDecoder
{
    // In this order. Source: the tokenizers library's WordPiece decoder.
    private static readonly (string From, string To)[] s_cleanUp =
    [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ];

    public override DecoderStream Open(DecoderStream next) => new Stream(next, prefix, cleanUp);

    public static string CleanUp(string text) => s_cleanUp.Aggregate(
        text, static (current, rule) => current.Replace(rule.From, rule.To, StringComparison.Ordinal));

    private sealed class Stream(DecoderStream next, string prefix, bool cleanUp) : WholeTokenStep(next)
    {
        private bool _any;

        protected override void Token(string token)
        {
            if (_any)
            {
                token = token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..] : " " + token;
            }

            _any = true;
            Emit(cleanUp ? CleanUp(token) : token);
        }
    }
}

/// <summary>The suffix that ends a word becomes a space, and in the last token nothing.</summary>
internal sealed class SuffixDecoder(string suffix) : TokenDecoder
{
    public override DecoderStream Open(DecoderStream next) => new Stream(next, suffix);

    private sealed class Stream(DecoderStream next, string suffix) : WholeTokenStep(next)
    {
        // From the first suffix of the last token on: what it becomes depends on whether another follows.
        private string _withheld = "";

        protected override void Token(string token)
        {
            Next.Write(With(" "), ends: true);
            int found = suffix.Length == 0 ? -1 : token.IndexOf(suffix, StringComparison.Ordinal);
            _withheld = found < 0 ? "" : token[found..];
            Next.Write(found < 0 ? token : token[..found], ends: false);
        }

        public override void End()
        {
            Next.Write(With(""), ends: true);
            Next.End();
        }

        public override void EndPrompt()
        {
            // Of "text</w>" only the space is still to come.
            _withheld = _withheld.EndsWith(suffix, StringComparison.Ordinal) && suffix.Length > 0 ? suffix : "";
            Next.EndPrompt();
        }

        private string With(string blank) =>
            _withheld.Length == 0 ? "" : _withheld.Replace(suffix, blank, StringComparison.Ordinal);
    }
}

/// <summary>Connectionist temporal classification: a token repeated is one, and padding vanishes.</summary>
internal sealed class CtcDecoder(string padding, string wordDelimiter, bool cleanUp) : TokenDecoder
{
    public override DecoderStream Open(DecoderStream next) => new Stream(next, padding, wordDelimiter, cleanUp);

    private sealed class Stream(DecoderStream next, string padding, string wordDelimiter, bool cleanUp)
        : WholeTokenStep(next)
    {
        private string? _last;

        protected override void Token(string token)
        {
            if (token == _last)
            {
                return;
            }

            _last = token;
            string text = Without(token, padding, "");
            text = cleanUp ? Without(WordPieceDecoder.CleanUp(text), wordDelimiter, " ") : text;
            if (text.Length > 0)
            {
                Emit(text);
            }
        }

        private static string Without(string text, string part, string replacement) =>
            part.Length == 0 ? text : text.Replace(part, replacement, StringComparison.Ordinal);
    }
}
