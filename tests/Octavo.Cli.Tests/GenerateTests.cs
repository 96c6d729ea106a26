using System.Text.Json;
using Octavo.Testing;

namespace Octavo.Cli.Tests;

public sealed class GenerateTests
{
    private static readonly string[] Greedy =
        ["--dtype", "float32", "--temperature", "0", "--max-tokens", "48", "--batching", "fixed"];

    [Fact]
    public async Task Generate_GreedyInFloat32_EqualsTheReference()
    {
        (string Prompt, string Text)[] expected = Expected();

        CliResult result = await CliCall.RunAsync(["generate", .. expected.Select(e => e.Prompt), "--json", .. Greedy]);

        result.Code.ShouldBe(0, result.Error);
        result.Error.ShouldBeEmpty();
        using JsonDocument json = JsonDocument.Parse(result.Output);
        JsonElement outputs = json.RootElement.GetProperty("outputs");
        outputs.EnumerateArray().Select(o => o.GetProperty("prompt").GetString())
            .ShouldBe(expected.Select(e => e.Prompt));
        outputs.EnumerateArray().Select(o => o.GetProperty("outputs")[0].GetProperty("text").GetString())
            .ShouldBe(expected.Select(e => e.Text));
    }

    [Fact]
    public async Task Generate_OnePrompt_StreamsThePromptAndItsStory()
    {
        (string prompt, string text) = Expected()[0];

        CliResult result = await CliCall.RunAsync(["generate", prompt, .. Greedy]);

        result.ShouldBe(new CliResult(0, prompt + text + "\n", string.Empty));
    }

    [Fact]
    public async Task Generate_PromptOnStandardInput_IsRead()
    {
        (string prompt, string text) = Expected()[1];

        CliResult result = await CliProcess.RunAsync(prompt + "\n", ["generate", .. Greedy]);

        result.ShouldBe(new CliResult(0, prompt + text + "\n", string.Empty));
    }

    [Fact]
    public async Task Generate_SeveralPrompts_PrintsThemInOrder()
    {
        (string Prompt, string Text)[] expected = [.. Expected().Reverse()];

        CliResult result = await CliCall.RunAsync(["generate", .. expected.Select(e => e.Prompt), .. Greedy]);

        result.Output.ShouldBe(string.Join("\n", expected.Select(e => e.Prompt + e.Text + "\n")));
    }

    [Fact]
    public async Task Generate_Json_HoldsWhatWasAskedFor()
    {
        CliResult result = await CliCall.RunAsync(
            "generate",
            "The fox",
            "--json",
            "--n",
            "2",
            "--max-tokens",
            "6",
            "--ignore-eos",
            "--logprobs",
            "3",
            "--seed",
            "7");

        using JsonDocument json = JsonDocument.Parse(result.Output);
        json.RootElement.GetProperty("model").GetString().ShouldBe("tales");
        JsonElement request = json.RootElement.GetProperty("outputs").EnumerateArray().ShouldHaveSingleItem();
        request.GetProperty("prompt_token_ids").GetArrayLength().ShouldBe(3);
        JsonElement[] outputs = [.. request.GetProperty("outputs").EnumerateArray()];
        outputs.Select(o => o.GetProperty("index").GetInt32()).ShouldBe([0, 1]);
        foreach (JsonElement output in outputs)
        {
            output.GetProperty("finish_reason").GetString().ShouldBe("length");
            output.GetProperty("stop_reason").ValueKind.ShouldBe(JsonValueKind.Null);
            output.GetProperty("token_ids").GetArrayLength().ShouldBe(6);
            JsonElement[] logprobs = [.. output.GetProperty("logprobs").EnumerateArray()];
            logprobs.ShouldAllBe(p => p.GetProperty("top_logprobs").GetArrayLength() == 3);
            logprobs.Sum(p => p.GetProperty("logprob").GetDouble())
                .ShouldBe(output.GetProperty("cumulative_logprob").GetDouble(), 1e-4);
        }

        json.RootElement.GetProperty("usage").GetProperty("prompt_tokens").GetInt32().ShouldBe(3);
        json.RootElement.GetProperty("usage").GetProperty("completion_tokens").GetInt32().ShouldBe(12);
        json.RootElement.GetProperty("timings").GetProperty("generation_seconds").GetDouble().ShouldBePositive();
    }

    [Fact]
    public async Task Generate_StopText_IsNamedAndLeftOut()
    {
        CliResult result = await CliCall.RunAsync(
            ["generate", "Once upon a time", "--json", "--stop", ".", "--stop", "!", .. Greedy]);

        using JsonDocument json = JsonDocument.Parse(result.Output);
        JsonElement output = json.RootElement.GetProperty("outputs")[0].GetProperty("outputs")[0];
        output.GetProperty("finish_reason").GetString().ShouldBe("stop");
        output.GetProperty("stop_reason").GetString().ShouldBe(".");
        output.GetProperty("text").GetString()!.ShouldNotContain('.');
    }

    [Fact]
    public async Task Generate_SameSeedTwice_GivesTheSameText()
    {
        string[] command = ["generate", "The fox", "--seed", "3", "--temperature", "1", "--max-tokens", "20"];
        CliResult first = await CliCall.RunAsync(command);
        CliResult second = await CliCall.RunAsync([.. command, "--threads", "1"]);
        CliResult other = await CliCall.RunAsync([.. command.Select(word => word == "3" ? "4" : word)]);

        second.Output.ShouldBe(first.Output);
        other.Output.ShouldNotBe(first.Output);
    }

    [Fact]
    public async Task Generate_OneBeam_IsGreedy()
    {
        (string prompt, string text) = Expected()[0];

        CliResult result = await CliCall.RunAsync(
            "generate", prompt, "--beam-width", "1", "--dtype", "float32", "--max-tokens", "48");

        result.ShouldBe(new CliResult(0, prompt + text + "\n", string.Empty));
    }

    [Fact]
    public async Task Generate_ManyBeams_PrintsAsManyTextsBestFirst()
    {
        CliResult result = await CliCall.RunAsync(
            "generate", "The king", "--beam-width", "12", "--max-tokens", "4", "--json");

        result.Code.ShouldBe(0, result.Error);
        using JsonDocument json = JsonDocument.Parse(result.Output);
        double[] scores = [.. json.RootElement.GetProperty("outputs")[0].GetProperty("outputs").EnumerateArray()
            .Select(o => o.GetProperty("cumulative_logprob").GetDouble())];
        scores.Length.ShouldBe(12);
        scores[0].ShouldBe(scores.Max());
    }

    [Fact]
    public async Task Generate_WithoutTokenizer_ReadsAndWritesIds()
    {
        CliResult text = await CliCall.RunAsync(["generate", "Once upon a time", "--json", .. Greedy]);
        CliResult ids = await CliCall.RunAsync(["generate", "0,3206,647,262,551", "--skip-tokenizer-init", .. Greedy]);

        using JsonDocument json = JsonDocument.Parse(text.Output);
        JsonElement request = json.RootElement.GetProperty("outputs")[0];
        int[] expected = [.. Ids(request, "prompt_token_ids"), .. Ids(request.GetProperty("outputs")[0], "token_ids")];
        ids.Error.ShouldBeEmpty();
        ids.Output.Split([',', ' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Select(int.Parse).ShouldBe(expected);
    }

    [Fact]
    public async Task Generate_PromptThatBeginsWithADash_GoesAfterTwoDashes()
    {
        CliResult result = await CliCall.RunAsync("generate", "--max-tokens", "1", "--", "--said");

        result.Code.ShouldBe(0, result.Error);
        result.Output.ShouldStartWith("--said");
    }

    [Fact]
    public async Task Generate_CtrlC_EndsWith130AndWithoutAMessage()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "sends a POSIX signal");

        CliResult result = await CliProcess.InterruptAsync(
            "generate",
            "Once upon a time",
            "--ignore-eos",
            "--max-tokens",
            "500",
            "--dtype",
            "float32",
            "--threads",
            "1");

        result.Code.ShouldBe(130);
        result.Error.ShouldBeEmpty();
        result.Output.ShouldStartWith("Once");
    }

    private static (string Prompt, string Text)[] Expected()
    {
        using JsonDocument json =
            JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.TalesModel, "expected.json")));
        return [.. json.RootElement.GetProperty("prompts").EnumerateArray()
            .Select(p => (p.GetProperty("prompt").GetString()!, p.GetProperty("text").GetString()!))];
    }

    private static IEnumerable<int> Ids(JsonElement element, string name) =>
        element.GetProperty(name).EnumerateArray().Select(id => id.GetInt32());
}
