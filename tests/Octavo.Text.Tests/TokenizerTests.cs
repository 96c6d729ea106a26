using System.Text;
using System.Text.Json.Nodes;
using Octavo.Text.Files;
using Octavo.Text.Pipeline;
using Octavo.Text.Templates;

namespace Octavo.Text.Tests;

public sealed class TokenizerTests
{
    private static JsonNode Added(string content, int id, string flag = "special") => new JsonObject
    {
        ["id"] = id,
        ["content"] = content,
        ["special"] = false,
        ["normalized"] = false,
        [flag] = true,
    };

    private static string Spell(Tokenizer tokenizer, string text) =>
        string.Join('|', tokenizer.Encode(text).Select(id => id > 256 ? $"<{id}>" : tokenizer.Decode([id])));

    [Theory]
    [InlineData("special", "x <t> y", "x| |<257>| |y")]
    [InlineData("lstrip", "x \t<t> y", "x|<257>| |y")]
    [InlineData("rstrip", "x <t> \n y", "x| |<257>|y")]
    [InlineData("single_word", "x<t> <t>", "x|<|t|>| |<257>")]
    public void Encode_AddedTokenFlags_AreHonoured(string flag, string text, string expected) =>
        Spell(TokenizerJson.Load(json => json["added_tokens"] = new JsonArray(Added("<t>", 257, flag))), text)
            .ShouldBe(expected);

    [Fact]
    public void Encode_OverlappingAddedTokens_TakesLeftmostThenLongest() =>
        Spell(
            TokenizerJson.Load(json => json["added_tokens"] =
                new JsonArray(Added("xy", 257), Added("xyz", 258), Added("yzq", 259), Added("zq", 260))),
            "xyzq xyq").ShouldBe("<258>|q| |<257>|q");

    [Fact]
    public void Encode_NormalizedAddedToken_IsFoundInNormalizedText() =>
        Spell(
            TokenizerJson.Load(json =>
            {
                json["normalizer"] = JsonNode.Parse("""{"type": "Lowercase"}""");
                json["added_tokens"] = new JsonArray(Added("Tok", 257, "normalized"), Added("RAW", 258));
            }),
            "tOK raw RAW").ShouldBe("<257>| |r|a|w| |<258>");

    [Fact]
    public void Encode_TemplateProcessing_WrapsTheText() =>
        TokenizerJson.Load(json => json["post_processor"] = JsonNode.Parse(
            """
            {"type": "TemplateProcessing",
             "single": [{"SpecialToken": {"id": "a"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "b"}}],
             "special_tokens": {"a": {"id": "a", "ids": [97]}, "b": {"id": "b", "ids": [98, 99]}}}
            """)).Encode("x").ShouldBe([97, 120, 98, 99]);

    [Fact]
    public void Encode_LoneSurrogate_IsTheReplacementCharacter()
    {
        Tokenizer tokenizer = TokenizerJson.Load(_ => { });
        tokenizer.Encode("a\uD800").ShouldBe([97, 0xEF, 0xBF, 0xBD]);
        tokenizer.Encode("").ShouldBeEmpty();
    }

    // The expected column is what Python's unicodedata gives.
    [Theory]
    [InlineData(NormalizationForm.FormC, "e\u0301 \u1112\u1161\u11AB \u0958", "é 한 \u0915\u093C")]
    [InlineData(NormalizationForm.FormD, "é 한 Å", "e\u0301 \u1112\u1161\u11AB A\u030A")]
    [InlineData(NormalizationForm.FormKC, "ﬁ①Å", "fi1Å")]
    [InlineData(NormalizationForm.FormKD, "ﬁé", "fie\u0301")]
    [InlineData(NormalizationForm.FormC, "a\u0315\u0300\u05AE\u0062", "\u00E0\u05AE\u0315b")]
    public void Normalize_Form_GivesTheReferenceText(NormalizationForm form, string text, string expected) =>
        UnicodeNormalization.Normalize(text, form).ShouldBe(expected);

    [Fact]
    public void Merge_LongWord_AgreesWithScanOfShortOnes()
    {
        Tokenizer tales = Tokenizer.Load(Octavo.Testing.Repository.TalesModel);
        Random random = new(7);
        for (int round = 0; round < 200; round++)
        {
            // Words over few letters merge a lot. The same word is scanned alone, and goes to the heap when padded with
            // bytes that no merge crosses.
            string word = string.Concat(Enumerable.Range(0, 40).Select(_ => "etahnoi"[random.Next(7)]));
            int[] alone = tales.Encode(word, addSpecialTokens: false);
            int[] padded = tales.Encode(word + new string('\u4E00', 20), addSpecialTokens: false);
            padded[..alone.Length].ShouldBe(alone);
        }
    }

    [Fact]
    public void Encode_Concurrently_GivesTheSameIds()
    {
        Tokenizer tales = Tokenizer.Load(Octavo.Testing.Repository.TalesModel);
        string[] texts = [.. Enumerable.Range(0, 200).Select(i => $"Once upon a time {i} a 😀 girl{i % 7} said 'no'")];
        int[][] expected = [.. texts.Select(text => tales.Encode(text))];
        Tokenizer fresh = Tokenizer.Load(Octavo.Testing.Repository.TalesModel);
        Parallel.For(0, 2000, i => fresh.Encode(texts[i % texts.Length]).ShouldBe(expected[i % texts.Length]));
    }

    [Fact]
    public void Append_AnyIds_AddUpToDecodeAndNeverSplitCharacters()
    {
        Tokenizer tokenizer = TokenizerJson.Load(json => json["added_tokens"] = new JsonArray(Added("<t>", 257)));
        byte[] source = Encoding.UTF8.GetBytes("aé字😀\u0301ﬁ");
        Random random = new(11);
        for (int round = 0; round < 2000; round++)
        {
            int[] ids = [.. Enumerable.Range(0, random.Next(30)).Select(_ => random.Next(4) switch
            {
                0 => random.Next(260),
                _ => source[random.Next(source.Length)],
            })];
            foreach (bool skip in (bool[])[true, false])
            {
                IncrementalDetokenizer detokenizer = tokenizer.CreateDetokenizer([], skip);
                string[] pieces = [.. ids.Select(detokenizer.Append), detokenizer.Flush()];
                string.Concat(pieces).ShouldBe(tokenizer.Decode(ids, skip));
                foreach (string piece in pieces)
                {
                    new UTF8Encoding(false, throwOnInvalidBytes: true)
                        .GetByteCount(piece)
                        .ShouldBeGreaterThanOrEqualTo(0);
                }
            }
        }
    }

    [Fact]
    public void Append_PromptEndsWithinCharacter_FinishesIt()
    {
        Tokenizer tokenizer = TokenizerJson.Load(_ => { });
        tokenizer.CreateDetokenizer([97, 0xC3]).Append(0xA9).ShouldBe("é");
        IncrementalDetokenizer broken = tokenizer.CreateDetokenizer([97, 0xE5, 0xAD]);
        (broken.Append('x') + broken.Flush()).ShouldBe("x");
        tokenizer.CreateDetokenizer([97, 0xC3]).Flush().ShouldBe("");
    }

    /// <summary>Letters that stand for bytes in the byte-level alphabet are themselves in an added token.</summary>
    [Theory]
    [InlineData("\u00e9\u00e8")]
    [InlineData("\u0120fox")]
    [InlineData("<|\u00c3\u00a9|>")]
    [InlineData("\u010a\u010a")]
    [InlineData("\u4e16")]
    public void Decode_AddedToken_IsItsText(string content)
    {
        Tokenizer tokenizer = TokenizerJson.Load(json => json["added_tokens"] = new JsonArray(Added(content, 257)));

        tokenizer.Encode("a" + content + "b", addSpecialTokens: false).ShouldBe(['a', 257, 'b']);
        tokenizer.Decode(['a', 257, 'b'], skipSpecialTokens: false).ShouldBe("a" + content + "b");
        tokenizer.TokenBytes(257).ShouldBe(System.Text.Encoding.UTF8.GetBytes(content));
        IncrementalDetokenizer pieces = tokenizer.CreateDetokenizer([], skipSpecialTokens: false);
        (pieces.Append('a') + pieces.Append(257) + pieces.Append('b') + pieces.Flush()).ShouldBe("a" + content + "b");
    }

    [Theory]
    [InlineData("model.type", "\"Trigram\"", "Trigram")]
    [InlineData("model.type", "\"Unigram\"", "expected an array", "model.vocab")]
    [InlineData("model.vocab", "null", "missing")]
    [InlineData("model.vocab", "{\"a\": -1}", "-1")]
    [InlineData("model.merges", "null", "missing")]
    [InlineData("model.dropout", "0.1", "not supported")]
    [InlineData("decoder.type", "\"Tarot\"", "Metaspace")]
    [InlineData("decoder", "{\"type\": \"Strip\", \"content\": \"ab\"}", "one character", "decoder.content")]
    [InlineData("pre_tokenizer.type", "\"Scissors\"", "ByteLevel", "pre_tokenizer.type")]
    [InlineData("post_processor", "{\"type\": \"BertProcessing\"}", "missing", "post_processor.cls")]
    [InlineData("post_processor", "{\"type\": \"Glue\"}", "TemplateProcessing", "post_processor.type")]
    [InlineData("normalizer", "{\"type\": \"Iron\"}", "StripAccents", "normalizer.type")]
    [InlineData(
        "normalizer",
        "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA\"}",
        "cut short",
        "normalizer.precompiled_charsmap")]
    [InlineData("truncation", "{\"max_length\": 4, \"strategy\": \"Coin\"}", "LongestFirst", "truncation.strategy")]
    [InlineData("padding", "{\"direction\": \"Up\"}", "Left", "padding.direction")]
    [InlineData("model.merges", "[\"a b c\"]", "a b c", "model.merges[0]")]
    [InlineData("model.merges", "[\"a c\"]", "union", "model.merges[0]")]
    public void Load_Unsupported_NamesFileAndField(string field, string value, string problem, string? blamed = null)
    {
        TokenizerFormatException error = Should.Throw<TokenizerFormatException>(() => TokenizerJson.Load(json =>
        {
            string[] path = field.Split('.');
            JsonObject parent = path.Length == 1 ? json : json[path[0]]!.AsObject();
            parent[path[^1]] = JsonNode.Parse(value);
        }));
        error.Field.ShouldBe(blamed ?? field);
        error.Message.ShouldContain(problem);
        error.File.ShouldEndWith("tokenizer.json");
    }

    [Theory]
    [InlineData("{\"model\": ")]
    [InlineData("[]")]
    public void Load_MalformedJson_NamesTheFile(string content)
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write("tokenizer.json", content);
        Should.Throw<TokenizerFormatException>(() => Tokenizer.Load(directory.Path)).File.ShouldBe(path);
    }

    [Fact]
    public void Load_NoFile_NamesIt()
    {
        using TemporaryDirectory directory = new();
        Should.Throw<TokenizerFormatException>(() => Tokenizer.Load(directory.Path)).Message.ShouldContain("missing");
    }

    [Fact]
    public void ChatTemplateSource_FileInDirectory_WinsOverConfiguration()
    {
        using TemporaryDirectory directory = new();
        directory.Write("tokenizer.json", TokenizerJson.Create().ToJsonString());
        directory.Write(
            "tokenizer_config.json",
            """{"eos_token": {"content": "ab"}, "chat_template": [{"name": "default", "template": "D"}]}""");
        Tokenizer tokenizer = Tokenizer.Load(directory.Path);
        tokenizer.ChatTemplateSource.ShouldBe("D");
        tokenizer.EosTokenId.ShouldBe(256);
        tokenizer.BosToken.ShouldBeNull();
        directory.Write("chat_template.json", """{"chat_template": "O"}""");
        Tokenizer.Load(directory.Path).ChatTemplateSource.ShouldBe("O");
        directory.Write("chat_template.jinja", "J");
        Tokenizer.Load(directory.Path).ChatTemplateSource.ShouldBe("J");
    }

    [Fact]
    public void ChatTemplates_SeveralPlaces_AreFoundByName()
    {
        using TemporaryDirectory directory = new();
        directory.Write("tokenizer.json", TokenizerJson.Create().ToJsonString());
        directory.Write(
            "tokenizer_config.json",
            """{"chat_template": [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}]}""");
        Directory.CreateDirectory(Path.Combine(directory.Path, "additional_chat_templates"));
        File.WriteAllText(Path.Combine(directory.Path, "additional_chat_templates", "rag.jinja"), "R");
        File.WriteAllText(Path.Combine(directory.Path, "additional_chat_templates", "note.txt"), "N");
        ChatTemplateSources templates = Tokenizer.Load(directory.Path).ChatTemplates;
        templates.ByName.OrderBy(t => t.Key).Select(t => t.Key + t.Value).ShouldBe(["defaultD", "ragR", "tool_useT"]);
        templates.NameFor(hasTools: true).ShouldBe("tool_use");
        templates.NameFor(hasTools: false).ShouldBe("default");
        ChatTemplateSources.Of("S").NameFor(hasTools: true).ShouldBe("default");
    }
}
