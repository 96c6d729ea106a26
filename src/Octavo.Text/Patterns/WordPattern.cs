namespace Octavo.Text.Patterns;

/// <summary>
/// An expression of the shape that published tokenizers cut words with, matched by hand: alternatives each of which
/// needs no backtracking. Several times as fast as the same by <see cref="RegexPattern"/>, which takes what has
/// another shape.
/// </summary>
// To add a shape: a class beside the others in WordRule, and a line in TryReadRule.
internal sealed class WordPattern : TextPattern
{
    private const int Ascii = 128;
    private const string Contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

    // By the first character, those that can match there, in their order; the last for all beyond ASCII.
    private readonly WordRule[][] _rules = new WordRule[Ascii + 1][];

    private WordPattern(List<WordRule> rules)
    {
        for (int c = 0; c < Ascii; c++)
        {
            _rules[c] = [.. rules.Where(r => r.CanBegin((char)c))];
        }

        _rules[Ascii] = [.. rules];
    }

    /// <summary>An expression, or null where it has another shape.</summary>
    /// <param name="source">The expression.</param>
    /// <param name="rust">Whether it is written for Rust, else for Oniguruma.</param>
    public static WordPattern? TryRead(string source, bool rust)
    {
        List<WordRule> rules = [];
        foreach (string alternative in Alternatives(source))
        {
            if (TryReadRule(alternative, rust) is not { } rule)
            {
                return null;
            }

            rules.Add(rule);
        }

        return new WordPattern(rules);
    }

    /// <summary>Where the match at a position ends; the position where there is none.</summary>
    public int Match(ReadOnlySpan<char> text, int position)
    {
        foreach (WordRule rule in _rules[Math.Min((int)text[position], Ascii)])
        {
            int end = rule.Match(text, position);
            if (end > position)
            {
                return end;
            }
        }

        return position;
    }

    public override void FindAll(ReadOnlySpan<char> text, List<TextMatch> matches)
    {
        int position = 0;
        while (position < text.Length)
        {
            int end = Match(text, position);
            if (end > position)
            {
                matches.Add(new TextMatch(position, end));
            }

            position = end > position ? end : SkipCharacter(text, position);
        }
    }

    /// <summary>Where the character at a position ends.</summary>
    public static int SkipCharacter(ReadOnlySpan<char> text, int position) =>
        position + (char.IsHighSurrogate(text[position]) && position + 1 < text.Length ? 2 : 1);

    private static IEnumerable<string> Alternatives(string source)
    {
        int start = 0;
        int depth = 0;
        bool inClass = false;
        for (int i = 0; i < source.Length; i++)
        {
            switch (source[i])
            {
                case '\\':
                    i++;
                    break;
                case '[':
                    inClass = true;
                    break;
                case ']':
                    inClass = false;
                    break;
                case '(' when !inClass:
                    depth++;
                    break;
                case ')' when !inClass:
                    depth--;
                    break;
                case '|' when depth == 0 && !inClass:
                    yield return source[start..i];
                    start = i + 1;
                    break;
            }
        }

        yield return source[start..];
    }

    private static WordRule? TryReadRule(string alternative, bool rust)
    {
        switch (alternative)
        {
            case Contractions or "'(?i:[sdmt]|ll|ve|re)":
                return new ContractionRule();
            case @"\s*[\r\n]+" or @"\s*[\r\n]" or "\\s*[\r\n]+" or "\\s*[\r\n]":
                return new LineEndRule();
            case @"\s+(?!\S)":
                return new BlanksBeforeWordRule();
            case @"\s++$" when rust:
                return new BlanksAtEndRule();
        }

        if (alternative is ['\'', _, ..] && alternative[1..].All(char.IsAsciiLetter))
        {
            return new LiteralRule(alternative);
        }

        return alternative.EndsWith(Contractions + "?", StringComparison.Ordinal)
            ? TryReadRuns(alternative[..^(Contractions.Length + 1)], rust) is { } word ? new ContractedRule(word) : null
            : TryReadRuns(alternative, rust);
    }

    private static WordRule? TryReadRuns(string text, bool rust) => TryReadSets(text, rust) switch
    {
        [{ IsOptional: true } prefix, { Least: 0, IsMany: true } upper, { Least: 1, IsMany: true } lower] =>
            new CasedWordRule(prefix.Set, upper.Set, lower.Set),
        [{ IsOptional: true } prefix, { Least: 1 } run] => new RunRule(prefix.Set, run.Set, run.Most, null),
        [{ IsOptional: true } prefix, { Least: 1 } run, { Least: 0, IsMany: true } behind] =>
            new RunRule(prefix.Set, run.Set, run.Most, behind.Set),
        [{ Least: 1, Most: 1 } lead, { Least: 1, IsMany: true } run] => new LedRunRule(lead.Set, run.Set),
        [{ Least: 1 } run] => new RunRule(null, run.Set, run.Most, null),
        [{ Least: 1 } run, { Least: 0, IsMany: true } behind] => new RunRule(null, run.Set, run.Most, behind.Set),
        _ => null,
    };

    private static List<Run>? TryReadSets(string text, bool rust)
    {
        List<Run> runs = [];
        for (int position = 0; position < text.Length;)
        {
            if (CharacterSet.TryRead(text, ref position) is not { } set
                || TryReadCount(text, ref position, rust) is not { } count)
            {
                return null;
            }

            runs.Add(new Run(set, count.Least, count.Most));
        }

        return runs;
    }

    // A second + makes it possessive, which changes nothing for these shapes; behind an interval only in Rust.
    private static (int Least, int Most)? TryReadCount(string text, ref int position, bool rust)
    {
        char sign = position < text.Length ? text[position] : '\0';
        (int Least, int Most, int Length) count = sign switch
        {
            '?' => (0, 1, 1),
            '*' => (0, int.MaxValue, 1),
            '+' => (1, int.MaxValue, 1),
            '{' when text.AsSpan(position).StartsWith("{1,3}") => (1, 3, 5),
            '{' when text.AsSpan(position).StartsWith("{1}") => (1, 1, 3),
            '{' => (0, 0, 0),
            _ => (1, 1, 0),
        };
        position += count.Length;
        bool again = count.Length > 0 && position < text.Length && text[position] is '+' or '?' or '*' or '{';
        if (again)
        {
            if (text[position] != '+' || (sign == '{' && !rust))
            {
                return null;
            }

            position++;
        }

        return count.Most == 0 ? null : (count.Least, count.Most);
    }

    private readonly record struct Run(CharacterSet Set, int Least, int Most)
    {
        public bool IsOptional => Least == 0 && Most == 1;

        public bool IsMany => Most == int.MaxValue;
    }
}
