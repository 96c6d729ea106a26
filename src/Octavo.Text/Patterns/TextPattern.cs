using System.Buffers;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Octavo.Text.Patterns;

/// <summary>Where a pattern matched, in UTF-16 units of the text.</summary>
internal readonly record struct TextMatch(int Start, int End);

/// <summary>What a tokenizer file searches for: a literal string or an expression. Matches never overlap.</summary>
internal abstract class TextPattern
{
    /// <summary>Appends the matches in <paramref name="text"/> (well-formed UTF-16) in order.</summary>
    public abstract void FindAll(ReadOnlySpan<char> text, List<TextMatch> matches);

    /// <summary>An expression, by hand where it has the shape for it; throws <see cref="FormatException"/>.</summary>
    /// <param name="source">The expression.</param>
    /// <param name="rust">Whether it is written for Rust, as tiktoken's are; else for Oniguruma.</param>
    public static TextPattern Expression(string source, bool rust = false) =>
        (TextPattern?)WordPattern.TryRead(source, rust) ?? new RegexPattern(source, rust);

    /// <summary>The text with each match replaced.</summary>
    public string Replace(string text, string replacement)
    {
        List<TextMatch> matches = [];
        FindAll(text, matches);
        if (matches.Count == 0)
        {
            return text;
        }

        System.Text.StringBuilder result = new(text.Length);
        int position = 0;
        foreach (TextMatch match in matches)
        {
            result.Append(text, position, match.Start - position).Append(replacement);
            position = match.End;
        }

        return result.Append(text, position, text.Length - position).ToString();
    }
}

/// <summary>A literal string. An empty one matches nothing.</summary>
internal sealed class LiteralPattern(string literal) : TextPattern
{
    public override void FindAll(ReadOnlySpan<char> text, List<TextMatch> matches)
    {
        int position = 0;
        while (literal.Length > 0)
        {
            int found = text[position..].IndexOf(literal, StringComparison.Ordinal);
            if (found < 0)
            {
                return;
            }

            matches.Add(new TextMatch(position + found, position + found + literal.Length));
            position += found + literal.Length;
        }
    }
}

/// <summary>An expression of Oniguruma or of Rust, matched by code point.</summary>
internal sealed class RegexPattern : TextPattern
{
    // Bounds for expressions that try exponentially many ways: on one match, and on all of a text.
    private static readonly TimeSpan s_matchLimit = TimeSpan.FromMilliseconds(900);
    private static readonly TimeSpan s_limitPerCharacter = TimeSpan.FromMicroseconds(1);

    private readonly string _source;
    private readonly Regex _regex;
    private readonly CodePointText _codePoints;

    /// <summary>Translates the expression, or throws <see cref="FormatException"/>.</summary>
    /// <param name="source">The expression.</param>
    /// <param name="rust">Whether it is written for Rust, as tiktoken's are; else for Oniguruma.</param>
    public RegexPattern(string source, bool rust = false)
    {
        _source = source;
        (string pattern, _codePoints) = OnigurumaTranslator.Translate(source, rust);
        try
        {
            // Not NonBacktracking: it misses matches of expressions that begin with what is optional, such as BLOOM's
            // (https://github.com/dotnet/runtime/pull/130176).
            _regex = new Regex(pattern, RegexOptions.CultureInvariant | RegexOptions.Compiled, s_matchLimit);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw new FormatException($"the expression is malformed or too large: {e.Message}", e);
        }
    }

    public override void FindAll(ReadOnlySpan<char> text, List<TextMatch> matches)
    {
        if (!text.ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            Match(text, matches);
            return;
        }

        char[] units = ArrayPool<char>.Shared.Rent(text.Length);
        int[] starts = ArrayPool<int>.Shared.Rent(text.Length + 1);
        try
        {
            int count = _codePoints.Map(text, units, starts);
            int first = matches.Count;
            Match(units.AsSpan(0, count), matches);
            for (int i = first; i < matches.Count; i++)
            {
                matches[i] = new TextMatch(starts[matches[i].Start], starts[matches[i].End]);
            }
        }
        finally
        {
            ArrayPool<char>.Shared.Return(units);
            ArrayPool<int>.Shared.Return(starts);
        }
    }

    private void Match(ReadOnlySpan<char> units, List<TextMatch> matches)
    {
        int lastEnd = -1;
        TimeSpan limit = s_matchLimit + (s_limitPerCharacter * units.Length);
        long started = Stopwatch.GetTimestamp();
        try
        {
            foreach (ValueMatch match in _regex.EnumerateMatches(units))
            {
                // An empty match right behind another does not count, as in the engines that tokenizers come from.
                int end = match.Index + match.Length;
                if (match.Length > 0 || match.Index != lastEnd)
                {
                    matches.Add(new TextMatch(match.Index, end));
                    lastEnd = end;
                }

                if (Stopwatch.GetElapsedTime(started) > limit)
                {
                    throw TooSlow(null);
                }
            }
        }
        catch (RegexMatchTimeoutException e)
        {
            throw TooSlow(e);
        }
    }

    private TextEncodingException TooSlow(Exception? cause) =>
        new($"the tokenizer's expression '{_source}' takes too long over this text", cause);
}
