using System.Text.Json;
using Octavo.Text.Patterns;

namespace Octavo.Text.Tests;

public sealed class PreTokenizerTests
{
    private static string Split(string expression, string text, string behavior = "Isolated", bool invert = false) =>
        TokenizerJson.Cut(
            $$"""
            {"type": "Sequence", "pretokenizers": [
              {"type": "Split", "pattern": {"Regex": {{JsonSerializer.Serialize(expression)}}},
               "behavior": "{{behavior}}", "invert": {{(invert ? "true" : "false")}}},
              {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}
            """,
            text);

    // The examples of the documentation of Hugging Face's SplitDelimiterBehavior.
    [Theory]
    [InlineData("Removed", "the|final|countdown")]
    [InlineData("Isolated", "the|-|final|-|-|countdown")]
    [InlineData("MergedWithPrevious", "the-|final-|-|countdown")]
    [InlineData("MergedWithNext", "the|-final|-|-countdown")]
    [InlineData("Contiguous", "the|-|final|--|countdown")]
    public void Split_Behavior_CutsAsDocumented(string behavior, string expected) =>
        Split("-", "the-final--countdown", behavior).ShouldBe(expected);

    [Fact]
    public void Split_Inverted_TakesTheRest() => Split("\\p{L}+", "ab, cd", "Removed", invert: true).ShouldBe("ab|cd");

    [Theory]
    [InlineData("𝐀𝐁 x𝟏𝟐😀!", "𝐀𝐁| x|𝟏𝟐|😀!")] // mathematical letters and digits, an emoji
    [InlineData("𠀀𠀁字 a", "𠀀𠀁字| a")] // ideographs in and out of the basic plane
    [InlineData("a\u0085\u00A0\u3000b\u180Ec\u001Dd", "a|\u0085\u00A0|\u3000b|\u180Ec|\u001Dd")]
    [InlineData("it'S It'ſ we'LL", "it|'S| It|'ſ| we|'LL")]
    [InlineData("12345 x\r\n  y", "123|45| x|\r\n| | y")]
    public void Split_Llama3Expression_MatchesByCodePoint(string text, string expected) =>
        Split(LlamaCppVectorTests.Llama3, text).ShouldBe(expected);

    [Theory]
    [InlineData(@"\p{Han}+", "a漢字\U00020000ー b", "a|漢字\U00020000|ー b")]
    [InlineData(@"\p{sc=Hiragana}+|\p{Script=kana}+", "ひらカナ\U0001B001x", "ひら|カナ|\U0001B001|x")]
    [InlineData(@"[\p{L}&&[^\p{Han}]]+", "ab漢cd\U00020000\U0001D400e", "ab|漢|cd|\U00020000|\U0001D400e")]
    [InlineData(@"[a-z&&[^aeiou]]+", "hello", "h|e|ll|o")]
    [InlineData(@"[[a-c][0-9]]+", "xa1b-c", "x|a1b|-|c")]
    [InlineData(@"[^\p{Han}&&\p{L}]+", "漢a!", "漢|a!")]
    [InlineData("[\U0001F600-\U0001F64F]+", "a\U0001F600\U0001F601\U0001F680", "a|\U0001F600\U0001F601|\U0001F680")]
    [InlineData("\U0001F600+", "\U0001F600\U0001F600\U0001F601", "\U0001F600\U0001F600|\U0001F601")]
    [InlineData(@"\P{Han}\w+", "漢a\U00020000_!", "漢|a\U00020000_|!")]
    public void Split_ScriptsAndIntersections_MatchByCodePoint(string expression, string text, string expected) =>
        Split(expression, text).ShouldBe(expected);

    [Fact]
    public void Split_SameExpressionBySets_CutsTheSame()
    {
        // The brackets around a class change nothing but the way in which it is matched.
        (string Plain, string Sets)[] pairs =
        [
            (@"\p{L}+|\p{N}", @"[[\p{L}]]+|[[\p{N}]]"), (@"\s+(?!\S)|\s+", @"[[\s]]+(?!\S)|\s+"),
            (@"[^\s\p{L}\p{N}]+", @"[^[\s\p{L}]\p{N}]+"), (@"\w+\b|\W", @"[[\w]]+\b|\W"),
            (@"(?i:k[r-t]).", @"(?i:k[[r-t]])."),
        ];
        (TextPattern Plain, TextPattern Sets)[] patterns =
            [.. pairs.Select(p => (TextPattern.Expression(p.Plain), TextPattern.Expression(p.Sets)))];
        Random random = new(41);
        for (int i = 0; i < 2000; i++)
        {
            string text = string.Concat(Enumerable.Range(0, 12).Select(_ => random.Next(4) switch
            {
                0 => char.ConvertFromUtf32(random.Next(0x20, 0x7F)),
                1 => char.ConvertFromUtf32(random.Next(0xA0, 0xD7FF)),
                2 => char.ConvertFromUtf32(random.Next(0x10000, 0x1F100)),
                _ => "kSſ\u212A \n1_"[random.Next(8)].ToString(),
            }));
            (TextPattern plain, TextPattern sets) = patterns[i % patterns.Length];
            List<TextMatch> expected = [], found = [];
            plain.FindAll(text, expected);
            sets.FindAll(text, found);
            found.ShouldBe(expected, text);
        }
    }

    [Theory]
    [InlineData(true, "a|1|2|½|b")]
    [InlineData(false, "a|12½|b")]
    public void Digits_Individual_OrInRuns(bool individual, string expected) =>
        TokenizerJson.Cut(
            $$"""
            {"type": "Sequence", "pretokenizers": [
              {"type": "Digits", "individual_digits": {{(individual ? "true" : "false")}}},
              {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}
            """,
            "a12½b").ShouldBe(expected);

    [Theory]
    [InlineData("x", " x")]
    [InlineData(" x", " x")]
    public void ByteLevel_AddPrefixSpace_AddsOneWhereNoneIs(string text, string expected) =>
        TokenizerJson.Cut("""{"type": "ByteLevel", "add_prefix_space": true}""", text).ShouldBe(expected);

    [Theory]
    [InlineData("a++ab|a", "aab", "a|a|b")]
    [InlineData("[^\\s\\p{N}]+", "ab 1", "ab| 1")]
    [InlineData("\\x{61}|\\u0062", "abc", "a|b|c")]
    [InlineData("(?i)k", "a\u212Aa", "a|\u212A|a")]
    [InlineData("(?<=a)b", "abcb", "a|b|cb")]
    [InlineData("[\\p{Lu}\\P{L}]", "aB1c", "a|B|1|c")]
    public void Translate_OnigurumaConstruct_KeepsItsMeaning(string expression, string text, string expected) =>
        Split(expression, text).ShouldBe(expected);

    [Theory]
    [InlineData("\\p{Hann}")]
    [InlineData("[a&&[[:alpha:]]]")]
    [InlineData("(?<name>a)")]
    [InlineData("(a)\\1")]
    [InlineData("(a")]
    [InlineData("a)")]
    [InlineData("[a")]
    [InlineData("+")]
    public void Translate_UnsupportedConstruct_IsRefusedByName(string expression)
    {
        TokenizerFormatException error = Should.Throw<TokenizerFormatException>(() => Split(expression, "x"));
        error.Field.ShouldBe("pre_tokenizer.pretokenizers[0].pattern.Regex");
        error.Message.ShouldContain("supported");
    }

    [Fact]
    public void Split_HostileExpression_StopsInTime()
    {
        string text = new string('a', 5000) + "!";
        Split("(a+)+$", text).ShouldBe(text); // linear, on the engine that does not backtrack
        Should.Throw<InvalidOperationException>(() => Split("(?:(?:a|aa)+)+(?=c)", text)).Message
            .ShouldContain("takes too long");
    }
}
