using System.Text.Json.Nodes;
using Octavo.Testing;
using Octavo.Text.Gguf;
using Octavo.Text.Patterns;

namespace Octavo.Text.Tests;

/// <summary>Tokenizers in GGUF files, against what llama.cpp gave.</summary>
public sealed class GgufTokenizerTests
{
    [Theory]
    [InlineData("vocab-bert")]
    [InlineData("vocab-gpt2-llama-bpe")]
    [InlineData("vocab-gpt2-qwen2")]
    [InlineData("vocab-llama")]
    [InlineData("vocab-t5")]
    public void Encode_SmallVocabulary_GivesTheRecordedIds(string name)
    {
        string folder = SharedData.Require($"gguf/models/{name}");
        Tokenizer tokenizer = Tokenizer.LoadFile(Path.Combine(folder, "model.gguf"));
        JsonNode recorded = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "tokens.json")))!;
        foreach (JsonNode? item in recorded["texts"]!.AsArray())
        {
            string text = item!["text"]!.GetValue<string>();
            Check("ids", new EncodeOptions { AddSpecialTokens = false });
            Check("ids_with_bos_eos", new EncodeOptions());

            void Check(string field, EncodeOptions options) => tokenizer.Encode(text, options).ShouldBe(
                item[field]!.AsArray().Select(id => id!.GetValue<int>()), $"{field} of '{text}'");
        }
    }

    [Fact]
    public void LoadFile_PublishedModel_HasItsTokensAndTemplate()
    {
        Tokenizer tokenizer = Tokenizer.LoadFile(
            SharedData.Require("third-party/models/SmolLM2-135M-Instruct.Q4_1.gguf"));
        tokenizer.VocabSize.ShouldBe(49152);
        tokenizer.ChatTemplateSource.ShouldNotBeNull().ShouldContain("<|im_start|>");
        tokenizer.EosToken.ShouldBe("<|im_end|>");
        int[] ids = tokenizer.Encode("<|im_start|>user\nIt's 2024!<|im_end|>");
        ids[0].ShouldBe(1);
        ids[^1].ShouldBe(2);
        tokenizer.Decode(ids, skipSpecialTokens: false).ShouldBe("<|im_start|>user\nIt's 2024!<|im_end|>");
    }

    [Theory]
    [InlineData("llama-bpe", new[] { 256, 'a' })]
    [InlineData("midm-2.0", new[] { 256, 'a' })]
    [InlineData("qwen2", new int[] { 'a' })]
    [InlineData("exaone4", new int[] { 'a' })]
    [InlineData("superbpe", new int[] { 'a' })]
    [InlineData("exaone-moe", new int[] { 'a' })]
    public void LoadFile_KeysThatAreLeftOut_AreWhatThePreTokenizerHas(string pre, int[] expected)
    {
        using TemporaryDirectory directory = new();
        string path = Path.Combine(directory.Path, "model.gguf");
        WriteBytesVocabulary(path, pre);
        Tokenizer tokenizer = Tokenizer.LoadFile(path);
        tokenizer.Encode("a").ShouldBe(expected);
        tokenizer.Encode("1234567 it's\n\n", addSpecialTokens: false).Length.ShouldBe(14);
        tokenizer.ChatTemplates.ByName.ShouldBe(
            new Dictionary<string, string> { ["default"] = "D", ["tool_use"] = "T" }, ignoreOrder: true);
    }

    // The names that llama.cpp's llama-vocab.cpp knows for the model gpt2.
    [Fact]
    public void Find_EveryNameOfLlamaCpp_HasExpressionsThatTakeAllOfAText()
    {
        string[] names =
        [
            "default", "minicpm5", "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0",
            "lfm2", "jina-v5-nano", "deepseek-llm", "deepseek-coder", "deepseek-v3", "spark2_5", "youtu", "falcon",
            "mpt", "starcoder", "gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de",
            "a.x-4.0", "mellum", "modern-bert", "jais-2", "jina-v1-en", "jina-v2-code", "roberta-bpe", "refact",
            "command-r", "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "qwen35", "stablelm2", "olmo", "dbrx",
            "smaug-bpe", "poro-chat", "glm4", "chatglm-bpe", "viking", "jais", "tekken", "smollm", "codeshell",
            "bloom", "gpt3-finnish", "exaone", "exaone4", "exaone-moe", "chameleon", "minerva-7b", "megrez", "gpt-4o",
            "llama4", "kanana2", "talkie", "granite-embed-multi-97m", "tiny_aya", "cohere2moe", "superbpe",
            "trillion", "granite-docling", "bailingmoe", "bailingmoe2", "llada-moe", "seed-coder", "hunyuan",
            "hunyuan-dense", "hy_v4", "joyai-llm", "kimi-k2", "ufakzeka", "grok-2", "afmoe", "laguna", "minimax-m2",
            "solar-open", "mellum2",
        ];
        const string Text =
            "It's 1234567 caf\u00E9\u0301 \u4F60\u597D\U00020000 \uFF01\u3042 \U00010400x\n\n  y!?";
        foreach (string name in names)
        {
            string cut = Cut(name, Text);
            cut.Replace("|", "").ShouldBe(Text, name);
            cut.ShouldContain("|", Case.Sensitive, name);
        }
    }

    [Theory]
    [InlineData("deepseek-llm", "\u00E9t\u00E9 12, \u4F60\U00010400", "\u00E9|t|\u00E9| |12|,| |\u4F60|\U00010400")]
    [InlineData("youtu", "I'm 123\u4F60\u597D\uFF0C\u3042", "I'm| |1|2|3|\u4F60\u597D|\uFF0C|\u3042")]
    [InlineData("afmoe", "a1234567 x12 \u4F60a", "a|1|234|567| x|12| |\u4F60|a")]
    [InlineData("chameleon", "a  12, b\tIMGIMGABZ", "a|  |1|2|,| b|\t|IMGIMGABZ")]
    [InlineData("kimi-k2", "x\u4F60\U00020000Abc 1234 \u3042b", "x|\u4F60\U00020000|Abc| |123|4| \u3042b")]
    [InlineData("laguna", "a \n\n b", "a| |\n\n| b")]
    [InlineData("jais-2", "a     b", "a|    | b")]
    [InlineData("tiny_aya", "1234567x 1234", "123|456|7|x| |1|234")]
    [InlineData("bailingmoe", "a \n\n  b", "a| \n\n| | b")]
    [InlineData("spark2_5", "a,\n\n1234", "a|,|\n|\n|1|2|3|4")]
    public void Find_FamiliesOwnExpressions_CutAsTheySay(string name, string text, string expected) =>
        Cut(name, text).ShouldBe(expected);

    private static string Cut(string name, string text)
    {
        string[] pieces = [text];
        foreach (string expression in GgufPreTokenizers.Find(name).ShouldNotBeNull(name))
        {
            var pattern = TextPattern.Expression(expression);
            pieces = [.. pieces.SelectMany(piece => CutOne(pattern, piece))];
        }

        return string.Join('|', pieces);
    }

    private static IEnumerable<string> CutOne(TextPattern pattern, string piece)
    {
        List<TextMatch> matches = [];
        pattern.FindAll(piece, matches);
        int done = 0;
        foreach (TextMatch match in matches)
        {
            foreach (string part in new[] { piece[done..match.Start], piece[match.Start..match.End] })
            {
                if (part.Length > 0)
                {
                    yield return part;
                }
            }

            done = match.End;
        }

        if (done < piece.Length)
        {
            yield return piece[done..];
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(40)]
    [InlineData(700)]
    public void LoadFile_CutShort_NamesTheFile(int length)
    {
        byte[] whole = File.ReadAllBytes(SharedData.Require("gguf/models/vocab-llama/model.gguf"));
        using TemporaryDirectory directory = new();
        string path = Path.Combine(directory.Path, "model.gguf");
        File.WriteAllBytes(path, whole[..length]);
        Should.Throw<TokenizerFormatException>(() => Tokenizer.LoadFile(path)).Message.ShouldContain("cut short");
    }

    // A token for each byte, at its id, and BOS behind them.
    private static void WriteBytesVocabulary(string path, string pre)
    {
        const uint Unsigned = 4, Text = 8, List = 9;
        using BinaryWriter file = new(File.Create(path));
        file.Write("GGUF"u8);
        file.Write(3u);
        file.Write(0UL);
        file.Write(8UL);
        WriteKey("tokenizer.ggml.model", Text);
        WriteText("gpt2");
        WriteKey("tokenizer.ggml.pre", Text);
        WriteText(pre);
        WriteTexts("tokenizer.ggml.tokens", [
            .. Enumerable.Range(0, 256).Select(b => Tokens.ByteAlphabet.CharOf((byte)b).ToString()), "<s>"]);
        WriteTexts("tokenizer.ggml.merges", []);
        WriteKey("tokenizer.ggml.bos_token_id", Unsigned);
        file.Write(256u);
        WriteKey("tokenizer.chat_template", Text);
        WriteText("D");
        WriteTexts("tokenizer.chat_templates", ["tool_use"]);
        WriteKey("tokenizer.chat_template.tool_use", Text);
        WriteText("T");

        void WriteKey(string name, uint type)
        {
            WriteText(name);
            file.Write(type);
        }

        void WriteTexts(string name, string[] texts)
        {
            WriteKey(name, List);
            file.Write(Text);
            file.Write((ulong)texts.Length);
            Array.ForEach(texts, WriteText);
        }

        void WriteText(string text)
        {
            byte[] utf8 = System.Text.Encoding.UTF8.GetBytes(text);
            file.Write((ulong)utf8.Length);
            file.Write(utf8);
        }
    }
}
