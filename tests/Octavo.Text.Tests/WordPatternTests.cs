using System.Text;
using Octavo.Testing;
using Octavo.Text.Gguf;
using Octavo.Text.Patterns;
using Octavo.Text.Tiktoken;

namespace Octavo.Text.Tests;

public sealed class WordPatternTests
{
    // What expressions tell apart, and what they do not.
    private static readonly string[] s_parts =
    [
        " ", "  ", "   ", "\n", "\r\n", "\r", "\t", "\u0085", "\u00A0", "\u2028", "\u3000", "\u001C", "\u200B",
        "a", "Z", "the", "HTTPServer", "é", "É", "ǅ", "ʰ", "漢字", "ひ", "ß", "ſ", "K", "\u0301", "\u20DD", "e\u0301",
        "'s", "'S", "'ſ", "'re", "'RE", "'rE", "'ll", "'L", "'", "’s", "'d", "'ve", "'m", "'t",
        "0", "12", "1234567", "٣", "Ⅷ", "½", "²", "!", "?!", "...", "/", "//\n", "-", "_", "$", "€", "+", "“", "—",
        "\0", "\u007F", "😀", "👨‍👩‍👧", "𝐀", "𝐚", "𝟘", "𠀀", "\U0001E900", "\U0001E922",
        "\U000E0100", "\uE000", "\uFFFD",
    ];

    public static TheoryData<string, bool> Expressions => new()
    {
        { TiktokenEncoding.Cl100k, true },
        { TiktokenEncoding.O200k, true },
        { TiktokenEncoding.O200k, false },
        { TiktokenEncoding.Llama3, false },
        { TiktokenEncoding.Qwen, false },
        { TiktokenEncoding.Qwen35, true },
        { GgufPreTokenizers.Find("gpt-2")![0], false },
        { GgufPreTokenizers.Find("tekken")![0], false },
        { GgufPreTokenizers.Find("seed-coder")![0], false },
        { GgufPreTokenizers.Find("bailingmoe")![0], false },
        { GgufPreTokenizers.Find("deepseek-v3")![2], false },
        { GgufPreTokenizers.Find("deepseek-coder")![1], false },
        { @"\p{N}{1,3}", false },
        { @"\p{N}", false },
    };

    [Theory]
    [MemberData(nameof(Expressions))]
    public void FindAll_RandomText_MatchesAsTheExpressionDoes(string expression, bool rust)
    {
        TextPattern words = WordPattern.TryRead(expression, rust).ShouldNotBeNull();
        TextPattern regex = new RegexPattern(expression, rust);
        Random random = new(7);
        for (int i = 0; i < Extent.Of(20_000); i++)
        {
            StringBuilder text = new();
            for (int parts = random.Next(12); parts >= 0; parts--)
            {
                text.Append(s_parts[random.Next(s_parts.Length)]);
            }

            string whole = text.ToString();
            Find(words, whole).ShouldBe(Find(regex, whole), whole);
        }
    }

    // BLOOM's words, of which an engine that does not backtrack missed some.
    [Fact]
    public void FindAll_OptionalBlank_MissesNoWord() => Find(
        TextPattern.Expression(GgufPreTokenizers.Find("bloom")![0]), " \u3000z a").ShouldBe([new(2, 3), new(3, 5)]);

    [Theory]
    [InlineData(@"\p{N}{1,3}+", false)]                  // not possessive there, but a repetition
    [InlineData(@"\s++$", false)]                        // a line's end there
    [InlineData(@"\p{L}+(?=x)", false)]
    [InlineData(@"[^\p{C}]+", false)]
    [InlineData("[一-龥]+", false)]
    [InlineData(@" ?[^(\s|.,!?…。，、।۔،)]+", false)]
    [InlineData("a+?", false)]
    [InlineData("(?:a|b)", false)]
    public void TryRead_OtherShapes_AreLeftToTheRegex(string expression, bool rust) =>
        WordPattern.TryRead(expression, rust).ShouldBeNull();

    private static List<TextMatch> Find(TextPattern pattern, string text)
    {
        List<TextMatch> matches = [];
        pattern.FindAll(text, matches);
        return matches;
    }
}
