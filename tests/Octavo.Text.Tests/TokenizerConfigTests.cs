using System.Text.Json.Nodes;

namespace Octavo.Text.Tests;

/// <summary>
/// Facts that stand only beside a tokenizer.json; what is expected is what transformers 5.24 makes of them.
/// </summary>
public sealed class TokenizerConfigTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("\"special\": true", "x <t> y", "x| |<257>| |y")]
    [InlineData("\"lstrip\": true, \"normalized\": false", "x \t<t> y", "x|<257>| |y")]
    [InlineData("\"rstrip\": true", "x <t> \n y", "x| |<257>|y")]
    [InlineData("\"single_word\": true", "x<t> <t>", "x|<|t|>| |<257>")]
    public void Load_TokenOnlyInAddedTokensDecoder_IsAddedWithItsFlags(string flags, string text, string expected) =>
        Spell(Load("{\"added_tokens_decoder\": {\"257\": {\"content\": \"<t>\", " + flags + "}}}"), text).ShouldBe(
            expected);

    [Fact]
    public void Load_SpecialTokenOnlyInTheConfiguration_VanishesFromDecodedText()
    {
        Tokenizer tokenizer = Load(
            """
            {"added_tokens_decoder": {"258": {"content": "<b>", "special": false},
                                      "257": {"content": "<a>", "special": true}}}
            """);
        tokenizer.Encode("<a><b>").ShouldBe([257, 258]);
        tokenizer.Decode([257, 258]).ShouldBe("<b>");
        tokenizer.IsSpecial(258).ShouldBeFalse();
        tokenizer.VocabSize.ShouldBe(259);
    }

    [Fact]
    public void Load_FlagsInBothFiles_TakesThoseOfTheConfigurationButNeverSpecialAway()
    {
        Tokenizer tokenizer = Load(
            """
            {"added_tokens_decoder": {"257": {"content": "<t>", "rstrip": true, "special": false, "normalized": false}}}
            """,
            json => json["added_tokens"] = JsonNode.Parse("""[{"id": 257, "content": "<t>", "special": true}]"""));
        Spell(tokenizer, "<t>  y").ShouldBe("<257>|y");
        tokenizer.IsSpecial(257).ShouldBeTrue();
    }

    [Theory]
    [InlineData("""{"eos_token": "ab"}""", 256)]
    [InlineData("""{"eos_token": {"__type": "AddedToken", "content": "ab", "normalized": false}}""", 256)]
    [InlineData("""{"eos_token": "<end>"}""", 257)]
    [InlineData("""{"eos_token": "<end>", "added_tokens_decoder": {"300": {"content": "<end>"}}}""", 300)]
    public void EosTokenId_NamedOnlyInTheConfiguration_IsASpecialToken(string config, int id)
    {
        Tokenizer tokenizer = Load(config);
        tokenizer.EosTokenId.ShouldBe(id);
        tokenizer.IsSpecial(id).ShouldBeTrue();
        tokenizer.Encode("c" + tokenizer.EosToken).ShouldBe(['c', id]);
        tokenizer.Decode([id]).ShouldBe("");
    }

    [Theory]
    [InlineData("additional_special_tokens", """["<x>", {"content": "<y>", "lstrip": true, "normalized": false}]""")]
    [InlineData("extra_special_tokens", """["<x>", {"content": "<y>", "lstrip": true, "normalized": false}]""")]
    [InlineData(
        "extra_special_tokens",
        """{"x_token": "<x>", "y_token": {"content": "<y>", "lstrip": true, "normalized": false}}""")]
    public void Load_FurtherSpecialTokens_AreAdded(string field, string tokens)
    {
        Tokenizer tokenizer = Load("{\"" + field + "\": " + tokens + ", \"image_token\": \"<i>\"}");
        new[] { "<x>", "<y>", "<i>" }.ShouldAllBe(t => tokenizer.IsSpecial(tokenizer.TokenToId(t)!.Value));
        tokenizer.Encode("a  <y>").ShouldBe(['a', tokenizer.TokenToId("<y>")!.Value]);
        tokenizer.NamedTokens["image_token"].ShouldBe("<i>");
    }

    [Fact]
    public void Load_OlderFilesWithoutAddedTokensDecoder_Count()
    {
        _directory.Write(
            "special_tokens_map.json",
            """{"eos_token": {"content": "<e>", "normalized": false}, "additional_special_tokens": ["<s>"]}""");
        _directory.Write("added_tokens.json", """{"<s>": 258, "<e>": 257, "<plain>": 259}""");
        Tokenizer tokenizer = Load("""{"eos_token": "ab"}""");
        (tokenizer.EosToken, tokenizer.EosTokenId).ShouldBe(("<e>", 257));
        tokenizer.Encode("<s><plain>").ShouldBe([258, 259]);
        (tokenizer.IsSpecial(258), tokenizer.IsSpecial(259)).ShouldBe((true, false));
    }

    [Fact]
    public void Load_OlderFilesBesideAddedTokensDecoder_DoNotCount()
    {
        _directory.Write("special_tokens_map.json", """{"eos_token": "<e>"}""");
        _directory.Write("added_tokens.json", """{"<s>": 258}""");
        Tokenizer tokenizer = Load("""{"eos_token": "ab", "added_tokens_decoder": {}}""");
        tokenizer.EosTokenId.ShouldBe(256);
        tokenizer.TokenToId("<s>").ShouldBeNull();
    }

    [Theory]
    [InlineData("null", new int[] { 'a' })]
    [InlineData(
        """
        {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "ab"}}],
         "special_tokens": {"ab": {"ids": [256]}}}
        """,
        new int[] { 'a', 256 })]
    public void Encode_AddBosAndEosInTheConfiguration_ChangeNothing(string postProcessor, int[] expected)
    {
        foreach (string flag in new[] { "true", "false" })
        {
            Tokenizer tokenizer = Load(
                "{\"bos_token\": \"ab\", \"eos_token\": \"ab\", \"add_bos_token\": " + flag + ", \"add_eos_token\": "
                    + flag + "}",
                json => json["post_processor"] = JsonNode.Parse(postProcessor));
            tokenizer.Encode("a").ShouldBe(expected);
        }
    }

    [Fact]
    public void Encode_SplitSpecialTokens_TreatsThemAsText()
    {
        Tokenizer tokenizer = Load("""{"eos_token": "<e>", "split_special_tokens": true}""");
        tokenizer.Encode("<e>").ShouldBe(['<', 'e', '>']);
        tokenizer.IsSpecial(tokenizer.EosTokenId!.Value).ShouldBeTrue();
    }

    [Fact]
    public void Load_MarksAndInfinities_AreRead()
    {
        string json = TokenizerJson.Create().ToJsonString();
        _directory.Write("tokenizer.json", "\uFEFF" + json.Insert(1, "\"version\": NaN, "));
        _directory.Write("tokenizer_config.json", "\uFEFF{\"model_max_length\": Infinity, \"eos_token\": \"ab\"}");
        Tokenizer.Load(_directory.Path).EosTokenId.ShouldBe(256);
    }

    [Theory]
    [InlineData("""{"added_tokens_decoder": {"x": {"content": "t"}}}""", "added_tokens_decoder")]
    [InlineData("""{"added_tokens_decoder": {"99999999": {"content": "t"}}}""", "added_tokens_decoder")]
    [InlineData("""{"added_tokens_decoder": {"7": {}}}""", "added_tokens_decoder.7.content")]
    [InlineData("""{"added_tokens_decoder": []}""", "added_tokens_decoder")]
    [InlineData("""{"eos_token": 7}""", "eos_token")]
    public void Load_WrongConfiguration_NamesFileAndField(string config, string field)
    {
        TokenizerFormatException error = Should.Throw<TokenizerFormatException>(() => Load(config));
        error.Field.ShouldBe(field);
        error.File.ShouldEndWith("tokenizer_config.json");
    }

    private static string Spell(Tokenizer tokenizer, string text) =>
        string.Join('|', tokenizer.Encode(text).Select(id => id > 256 ? $"<{id}>" : tokenizer.Decode([id])));

    private Tokenizer Load(string config, Action<JsonObject>? change = null)
    {
        JsonObject json = TokenizerJson.Create();
        change?.Invoke(json);
        _directory.Write("tokenizer.json", json.ToJsonString());
        _directory.Write("tokenizer_config.json", config);
        return Tokenizer.Load(_directory.Path);
    }
}
