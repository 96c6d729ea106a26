namespace Octavo.Text.Decoding;

/// <summary>
/// A step from tokens back to text, as a <c>decoder</c> of tokenizer.json names it. Each opens as a stream, so that
/// decoding piece by piece and decoding as a whole are one code. Immutable: one instance serves all threads.
/// </summary>
internal abstract class TokenDecoder
{
    /// <summary>Whether tokens like &lt;0xE4&gt; stand for bytes.</summary>
    public virtual bool SpellsBytes => false;

    /// <summary>This step over one sequence of tokens, its result going to <paramref name="next"/>.</summary>
    public abstract DecoderStream Open(DecoderStream next);
}

/// <summary>
/// Takes tokens in order and hands on what they become. A token may come in fragments, because an earlier step has
/// made one of many.
/// </summary>
internal abstract class DecoderStream
{
    /// <summary>Takes a fragment of the current token; <paramref name="ends"/> tells that it is the last.</summary>
    public abstract void Write(string fragment, bool ends);

    /// <summary>No token follows: hands on what was withheld.</summary>
    public abstract void End();

    /// <summary>
    /// The prompt ends here. What decoding it by itself would give is settled, and belongs to it; what comes after is
    /// the difference that further tokens make.
    /// </summary>
    public abstract void EndPrompt();
}

/// <summary>A stream that hands its result on; by itself it withholds nothing.</summary>
internal abstract class DecoderStep(DecoderStream next) : DecoderStream
{
    protected DecoderStream Next { get; } = next;

    public override void End() => Next.End();

    public override void EndPrompt() => Next.EndPrompt();
}

/// <summary>A step that looks at tokens as a whole.</summary>
internal abstract class WholeTokenStep(DecoderStream next) : DecoderStep(next)
{
    private System.Text.StringBuilder? _fragments;

    public override void Write(string fragment, bool ends)
    {
        if (!ends)
        {
            (_fragments ??= new System.Text.StringBuilder()).Append(fragment);
            return;
        }

        if (_fragments is null)
        {
            Token(fragment);
            return;
        }

        string whole = _fragments.Append(fragment).ToString();
        _fragments = null;
        Token(whole);
    }

    protected abstract void Token(string token);

    protected void Emit(string token) => Next.Write(token, ends: true);
}

/// <summary>Several steps, in order.</summary>
internal sealed class SequenceDecoder(IReadOnlyList<TokenDecoder> parts) : TokenDecoder
{
    public override bool SpellsBytes => parts.Any(part => part.SpellsBytes);

    public override DecoderStream Open(DecoderStream next)
    {
        for (int i = parts.Count - 1; i >= 0; i--)
        {
            next = parts[i].Open(next);
        }

        return next;
    }
}

/// <summary>Joins all tokens into one.</summary>
internal sealed class FuseDecoder : TokenDecoder
{
    public override DecoderStream Open(DecoderStream next) => new Stream(next);

    private sealed class Stream(DecoderStream next) : DecoderStep(next)
    {
        public override void Write(string fragment, bool ends) => Next.Write(fragment, ends: false);

        public override void End()
        {
            Next.Write("", ends: true);
            Next.End();
        }
    }
}

/// <summary>Puts a space between tokens: what is done where a file names no decoder.</summary>
internal sealed class SpacedDecoder : TokenDecoder
{
    public override DecoderStream Open(DecoderStream next) => new Stream(next);

    private sealed class Stream(DecoderStream next) : WholeTokenStep(next)
    {
        private bool _any;

        protected override void Token(string token)
        {
            Emit(_any ? " " + token : token);
            _any = true;
        }
    }
}
