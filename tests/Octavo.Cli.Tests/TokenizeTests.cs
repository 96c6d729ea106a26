using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Octavo.Cli.Tokenize;
using Octavo.Testing;

namespace Octavo.Cli.Tests;

public sealed class TokenizeTests : IDisposable
{
    private const string Words = """
        {"added_tokens": [{"id": 3, "content": "<s>", "special": true}],
         "pre_tokenizer": {"type": "WhitespaceSplit"},
         "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [3], "tokens": ["<s>"]}}},
         "decoder": {"type": "Fuse"},
         "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "sun": 1, "é": 2}, "unk_token": "<unk>"}}
        """;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("octavo-tokenize-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task Tokenize_Text_PrintsIdsBytesAndText()
    {
        CliResult result = await CliCall.RunAsync("tokenize", Write("t.json", Words), "--text", "sun é moon");
        result.Code.ShouldBe(0, result.Error);
        result.Output.Split('\n').ShouldBe(
            ["3  3c733e      <s>", "1  73756e      \"sun\"", "2  c3a9        \"é\"", "0  3c756e6b3e  \"<unk>\"", ""]);
        CliResult bare = await CliCall.RunAsync(
            "sun", ["tokenize", Write("t.json", Words), "--no-special-tokens", "--json"]);
        bare.Output.ShouldBe("""{"ids":[1],"tokens":["sun"],"bytes":["73756e"]}""" + "\n");
    }

    [Fact]
    public async Task Tokenize_Lines_AnswersEitherWayAndGoesOnAfterErrors()
    {
        string input = """
            {"text": "sun <s>"}
            {"text": "sun <s>", "add_special_tokens": false, "split_special_tokens": true}
            {"ids": [3, 1, 2]}
            {"ids": [3, 1, 2], "skip_special_tokens": false}
            not JSON
            {"text": 1}
            {"ids": [1.5]}
            {"text": "sun", "ids": [1]}
            {"txt": "sun"}
            {"text": "\ud800"}
            {"ids": []}
            """;
        CliResult result = await CliCall.RunAsync(input, ["tokenize", Write("t.json", Words), "--jsonl"]);
        result.Code.ShouldBe(0, result.Error);
        string[] lines = result.Output.TrimEnd().Split('\n');
        lines.Length.ShouldBe(11);
        lines[0].ShouldBe("""{"ids":[3,1,3],"tokens":["<s>","sun","<s>"]}""");
        lines[1].ShouldBe("""{"ids":[1,0],"tokens":["sun","<unk>"]}""");
        lines[2].ShouldBe("""{"text":"suné"}""");
        lines[3].ShouldBe("""{"text":"<s>suné"}""");
        lines[4..10].ShouldAllBe(l => l.StartsWith("{\"error\":\"", StringComparison.Ordinal));
        lines[8].ShouldContain("'txt' is none of text, add_special_tokens");
        lines[10].ShouldBe("""{"text":""}""");
    }

    [Fact]
    public async Task Tokenize_Chat_TokenizesWhatTheTemplateWrites()
    {
        Write("tokenizer.json", Words);
        Write(
            "tokenizer_config.json",
            """{"bos_token": "<s>", "chat_template": "{{ bos_token }} {{ messages[0].content }}"}""");
        string conversation = """[{"role": "user", "content": "sun"}]""";
        CliResult whole = await CliCall.RunAsync(
            conversation, ["tokenize", _directory.FullName, "--chat", "--json"]);
        whole.Output.ShouldBe("""{"ids":[3,1],"tokens":["<s>","sun"],"bytes":["3c733e","73756e"]}""" + "\n");
        CliResult lines = await CliCall.RunAsync(
            conversation + "\n{}\n", ["tokenize", _directory.FullName, "--chat", "--jsonl"]);
        lines.Output.Split('\n')[0].ShouldBe("""{"ids":[3,1],"tokens":["<s>","sun"]}""");
        lines.Output.Split('\n')[1].ShouldStartWith("{\"error\":");
        string written = """[{"role": "user", "content": "<s>"}]""";
        (await CliCall.RunAsync(written, ["tokenize", _directory.FullName, "--chat", "--json"]))
            .Output.ShouldStartWith("""{"ids":[3,0],""");
        (await CliCall.RunAsync(
            written, ["tokenize", _directory.FullName, "--chat", "--json", "--split-special-tokens", "false"]))
            .Output.ShouldStartWith("""{"ids":[3,3],""");
        CliResult file = await CliCall.RunAsync(conversation, ["tokenize", Write("t.json", Words), "--chat"]);
        file.Code.ShouldBe(2);
        file.Error.ShouldContain("t.json has no chat template");
    }

    [Theory]
    [InlineData("--input", "x")]
    [InlineData("--chat")]
    [InlineData("--jsonl")]
    public async Task Tokenize_TextAndWhatReadsTheInput_IsRefused(params string[] other)
    {
        CliResult result = await CliCall.RunAsync(["tokenize", "--text", "a", .. other]);
        result.Code.ShouldBe(2);
        result.Error.ShouldContain("--text excludes --input, --chat and --jsonl");
    }

    [Fact]
    public async Task Tokenize_RecordedCases_GivesTheirIdsAndTexts()
    {
        List<string> failures = [];
        int count = 0;
        foreach (string folder in Directory.GetDirectories(SharedData.Require("tokenizers/made")).Order())
        {
            using JsonDocument expected = JsonDocument.Parse(
                await File.ReadAllBytesAsync(
                    Path.Combine(folder, "expected.json"), TestContext.Current.CancellationToken));
            if (!expected.RootElement.TryGetProperty("cases", out JsonElement cases)
                || expected.RootElement.TryGetProperty("pat_str", out _))
            {
                continue; // variants have no files of their own; an expression is no file either
            }

            bool bare = expected.RootElement.TryGetProperty("note", out JsonElement note)
                && note.GetString() == "ids without bos and eos";
            StringBuilder input = new();
            List<(string Name, JsonElement Expected)> questions = [];
            foreach (JsonElement item in cases.EnumerateArray())
            {
                JsonElement text = item.GetProperty("text");
                JsonElement ids = item.GetProperty("ids");
                string add = bare ? "false" : "true";
                Ask("ids", ids, $$"""{"text": {{text.GetRawText()}}, "add_special_tokens": {{add}}}""");
                if (item.TryGetProperty("ids_no_special", out JsonElement plain))
                {
                    Ask("ids", plain, $$"""{"text": {{text.GetRawText()}}, "add_special_tokens": false}""");
                }

                foreach (string skip in new[] { "false", "true" })
                {
                    string field = skip == "true" ? "decoded_skip_special" : "decoded";
                    if (item.TryGetProperty(field, out JsonElement decoded))
                    {
                        Ask("text", decoded, $$"""{"ids": {{ids}}, "skip_special_tokens": {{skip}}}""");
                    }
                }
            }

            CliResult result = await CliCall.RunAsync(input.ToString(), ["tokenize", folder, "--jsonl"]);
            string[] lines = result.Output.Split('\n');
            for (int i = 0; i < questions.Count; i++)
            {
                JsonNode answer = JsonNode.Parse(lines[i])!;
                if (!JsonNode.DeepEquals(answer[questions[i].Name], JsonNode.Parse(questions[i].Expected.GetRawText())))
                {
                    failures.Add($"{Path.GetFileName(folder)}: {lines[i]}, not {questions[i].Expected}");
                }
            }

            count += questions.Count;

            void Ask(string name, JsonElement answer, string question)
            {
                questions.Add((name, answer));
                input.Append(question).Append('\n');
            }
        }

        count.ShouldBeGreaterThan(15_000);
        failures.Count.ShouldBe(0, string.Join('\n', failures.Take(5)));
    }

    [Fact]
    public async Task BenchText_BundledModel_MeasuresEncodingAndDecoding()
    {
        CliResult result = await CliCall.RunAsync("bench", "text", "--rounds", "1", "--json");
        result.Code.ShouldBe(0, result.Error);
        JsonNode found = JsonNode.Parse(result.Output)!;
        ((int)found["vocabulary"]!).ShouldBe(4096);
        ((int)found["tokens"]!).ShouldBeInRange(1, (int)found["text_bytes"]!);
        foreach (string rate in new[] { "encode", "encode_again", "decode", "incremental_decode" })
        {
            ((double)found[rate + "_bytes_per_second"]!).ShouldBePositive(rate);
        }

        (await CliCall.RunAsync("bench", "text", "--rounds", "0")).Error.ShouldContain("--rounds must be at least 1");
    }

    [Fact]
    public void Write_Colored_ShowsTheTextAndThenTheTokensInTheSameColors()
    {
        StringWriter output = new();
        TokenTable.Write(
            output,
            [
                new(1, "a", "a\n"u8.ToArray(), false),
                new(2, "?", [0xE2, 0x82], false),
                new(3, "<s>", "<s>"u8.ToArray(), true),
            ],
            vocabSize: 11,
            colored: true);
        string text = output.ToString();
        string[] lines = text.Split('\n');
        lines[0].ShouldBe("\e[30;48;5;153ma\\n\e[0m");
        lines[1].ShouldBe("\e[30;48;5;157m\\xE2\\x82\e[0m\e[2m<s>\e[0m");
        lines[3].ShouldBe(" 1  610a    \e[30;48;5;153m\"a\\n\"\e[0m");
        lines[4].ShouldBe(" 2  e282    \e[30;48;5;157m\"\\xE2\\x82\"\e[0m");
        lines[5].ShouldBe(" 3  3c733e  \e[2m<s>\e[0m");
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_directory.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }
}
