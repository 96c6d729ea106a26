using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Octavo.Formats;
using Octavo.Formats.Hub;
using Octavo.Testing;

namespace Octavo.Cli.Tests;

/// <summary>Commands with models of a hub, in processes of their own where they are killed or are several.</summary>
public sealed class HubTests : IDisposable
{
    private const string Model = "org/model";
    private static readonly string[] Variables = ["HF_ENDPOINT", "HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE"];

    private readonly FakeHub _server = new();
    private readonly string _cache = Directory.CreateTempSubdirectory("octavo-hub-").FullName;
    private readonly string?[] _before = [.. Variables.Select(Environment.GetEnvironmentVariable)];

    // No other test names a model of a hub, so that these are nobody else's.
    public HubTests() => Set(_server.Endpoint, _cache, null, null);

    public void Dispose()
    {
        Set(_before);
        _server.Dispose();
        Directory.Delete(_cache, recursive: true);
    }

    [Fact]
    public async Task Commands_ByAName_FetchItOnceAndAnswer()
    {
        Assert.SkipWhen(Repository.Root is null, "needs the checkout");
        string commit = _server.Add("org/tales", FakeFile.Of(Repository.TalesModel));
        string snapshot = Path.Combine(_cache, "models--org--tales", "snapshots", commit);

        CliResult tokens = await CliCall.RunAsync("tokenize", "org/tales", "--text", "The fox", "--json");
        tokens.Output.ShouldBe((await CliCall.RunAsync("tokenize", "--text", "The fox", "--json")).Output);
        File.Exists(Path.Combine(snapshot, "model.safetensors")).ShouldBeFalse();      // nobody needed it yet

        string[] generate = ["generate", "The fox", "--max-tokens", "4", "--temperature", "0"];
        CliResult text = await CliCall.RunAsync([.. generate, "--model", "org/tales"]);
        text.Code.ShouldBe(0, text.Error);
        text.Output.ShouldBe((await CliCall.RunAsync(generate)).Output);
        text.Error.ShouldContain("org/tales: 5 files, 9.63 MiB");
        text.Error.ShouldContain("org/tales: fetched ");

        int asked = _server.Requests.Count;
        CliResult inspect = await CliCall.RunAsync("inspect", "org/tales", "--json");
        using JsonDocument report = JsonDocument.Parse(inspect.Output);
        report.RootElement.GetProperty("model").GetString().ShouldBe("org/tales");
        inspect.Error.ShouldBeEmpty();
        _server.Requests.Count.ShouldBe(asked);

        CliResult pull = await CliCall.RunAsync("pull", "org/tales");
        pull.ShouldBe(new CliResult(0, snapshot + "\n", string.Empty));
        _server.Requests.Count.ShouldBe(asked + 1);
        Directory.GetFiles(snapshot).Select(Path.GetFileName).ShouldNotContain("SOURCES.md");
    }

    [Fact]
    public async Task ModelsAndRm_OfTheCache_ListAndRemove()
    {
        _server.Add(Model, Files());
        _server.Add("org/gguf", FakeFile.Large("m-Q4_0.gguf", 2048), FakeFile.Large("m-Q8_0.gguf", 4096, seed: 2));
        (await CliCall.RunAsync("models", "--local")).Output.ShouldContain("0 in " + _cache);
        (await CliCall.RunAsync("pull", Model)).Code.ShouldBe(0);
        (await CliCall.RunAsync("pull", "org/gguf:q8_0")).Output.ShouldEndWith("m-Q8_0.gguf\n");

        string table = (await CliCall.RunAsync("models", "--local")).Output;
        table.ShouldMatch(@"org/gguf:Q8_0 +│ main, [0-9a-f]{12} +│ +4 KiB +│ GGUF +│ 20\d\d-");
        table.ShouldMatch(@"org/model +│ main, [0-9a-f]{12} +│ +\d\S* KiB +│ safetensors +│ 20\d\d-");
        using JsonDocument json = JsonDocument.Parse((await CliCall.RunAsync("models", "--local", "--json")).Output);
        json.RootElement[1].GetProperty("complete").GetBoolean().ShouldBeTrue();

        CliResult unasked = await CliCall.RunAsync("rm", Model);
        unasked.Code.ShouldBe(2);
        unasked.Error.ShouldMatch(
            @"^error: remove org/model \(\d\S* KiB\)\? Nobody is there to be asked: say --yes\n$");
        (await CliCall.RunAsync("rm", Model, "--yes")).Output.ShouldStartWith("org/model: removed ");
        (await CliCall.RunAsync("rm", Model, "-y")).ShouldBe(new CliResult(
            2, "", $"error: {Model}: it is not in the cache: there is no {_cache}/models--org--model\n"));
        (await CliCall.RunAsync("models", "--local", "--json")).Output.ShouldNotContain(Model);
    }

    [Fact]
    public async Task Inspect_AGgufFileByItsQuantization_ReadsIt()
    {
        string file = SharedData.Require("gguf/models/gpt2/model.gguf");
        _server.Add("org/gguf", FakeFile.LargeOf("m-F32.gguf", file), FakeFile.Large("m-Q8_0.gguf", 10));
        CliResult result = await CliCall.RunAsync("inspect", "org/gguf:f32", "--json");
        result.Code.ShouldBe(0, result.Error);
        using JsonDocument report = JsonDocument.Parse(result.Output);
        report.RootElement.GetProperty("model").GetString().ShouldBe("org/gguf:F32");
        report.RootElement.GetProperty("path").GetString().ShouldEndWith("/m-F32.gguf");
        _server.Bytes.ShouldBe(new FileInfo(file).Length);
    }

    [Theory]
    [InlineData(2, "error: org/none: there is no such directory, and no such model at ", "pull", "org/none")]
    [InlineData(2, "error: org/none@x: there is no such directory, and no such model at ", "inspect", "org/none@x")]
    [InlineData(2, "error: org/model:Q4_0: the repository has no GGUF files", "chat", "--model", "org/model:Q4_0")]
    [InlineData(2, "error: gpt2: that is no name on the hub; one is ORG/NAME", "pull", "gpt2")]
    [InlineData(2, "error: / is here, and goes before a name on the hub", "pull", "/")]
    [InlineData(
        2, "error: no such model directory or file: gpt2; a name on the Hugging Face hub has two parts: ORG/gpt2",
        "inspect", "gpt2")]
    [InlineData(2, "error: --markdown does not go with --local", "models", "--local", "--markdown")]
    [InlineData(1, "error: org/broken: ", "generate", "x", "--model", "org/broken")]
    public async Task Run_WhatTheHubHasNot_SaysSo(int code, string message, params string[] args)
    {
        _server.Add(Model, Files());
        _server.Fault = r => r.Target.Contains("org/broken") ? FakeAnswer.Of(200, "<html>") : null;
        CliResult result = await CliCall.RunAsync(args);
        result.Code.ShouldBe(code);
        result.Error.ShouldStartWith(message[..Math.Min(message.Length, 24)]);
        result.Error.ShouldContain(message.Split(": ")[^1]);
        result.Error.Count(c => c == '\n').ShouldBe(1);
    }

    [Fact]
    public async Task Pull_KilledAtAnyPoint_GoesOnAndNeverLeavesAFileThatIsWrong()
    {
        FakeFile[] files = Files();
        string commit = _server.Add(Model, files);
        long total = files.Sum(file => (long)file.Content.Length);
        var random = new Random(20);
        string cache = Path.Combine(_cache, "0");
        for (int i = 1; i <= Extent.Of(20); i++)
        {
            // The last of a few while it puts away what has come.
            long left = total - Kept(cache);
            await KillAsync(cache, _server.Bytes + (i % 4 == 0 ? left : random.NextInt64(left)));
            if (Check(cache, commit, files))
            {
                cache = Path.Combine(_cache, i.ToString());
            }
        }

        long kept = Kept(cache), before = _server.Bytes;
        CliResult result = await CliProcess.EndAsync(CliProcess.Start(["pull", Model], ("HF_HUB_CACHE", cache)));
        result.Code.ShouldBe(0, result.Error);
        Check(cache, commit, files).ShouldBeTrue();
        (_server.Bytes - before).ShouldBe(total - kept);
    }

    [Fact]
    public async Task Pull_ByTwoProcessesAtOnce_FetchesEachFileOnce()
    {
        FakeFile[] files = Files();
        string commit = _server.Add(Model, files);
        var both = new TaskCompletionSource();
        int lists = 0;
        _server.Change = (r, answer) => r.Target.StartsWith("/api/models/") ? answer with
        {
            BeforeSlice = sent =>
            {
                if (sent == 0 && Interlocked.Increment(ref lists) == 2)
                {
                    both.SetResult();
                }

                return both.Task;
            },
        } : answer;
        Task<CliResult> other = CliProcess.EndAsync(CliProcess.Start(["pull", Model]));
        CliResult own = await CliCall.RunAsync("pull", Model);
        own.Code.ShouldBe(0, own.Error);
        (await other).Output.ShouldBe(own.Output);
        Check(_cache, commit, files).ShouldBeTrue();
        _server.Bytes.ShouldBe(files.Sum(file => (long)file.Content.Length));
    }

    [Fact]
    public async Task Pull_Interrupted_SaysHowToGoOn()
    {
        _server.Add(Model, Files());
        var stopped = new TaskCompletionSource();
        _server.Change = (r, answer) => r.IsHub ? answer : answer with
        {
            BeforeSlice = sent => sent < 100_000 ? Task.CompletedTask : stopped.Task,
        };
        CliResult result = await CliProcess.InterruptWhenAsync(() => Kept(_cache) > 100_000, "pull", Model);
        stopped.SetResult();
        result.Code.ShouldBe(130);
        result.Error.ShouldEndWith("stopped; octavo pull org/model goes on from there\n");
    }

    private static FakeFile[] Files() =>
    [
        FakeFile.Of("config.json", "{\"model_type\": \"llama\"}"), FakeFile.Of("tokenizer.json", "{ }"),
        FakeFile.Of("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"model-1.safetensors\", \"b\": "
            + "\"model-2.safetensors\"}}"),
        FakeFile.Large("model-1.safetensors", 250_000, seed: 1),
        FakeFile.Large("model-2.safetensors", 350_000, seed: 2),
    ];

    private async Task KillAsync(string cache, long at)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var never = new TaskCompletionSource();
        _server.Change = (_, answer) => answer with
        {
            BeforeSlice = _ =>
            {
                if (_server.Bytes < at)
                {
                    return Task.CompletedTask;
                }

                reached.TrySetResult();
                return never.Task;
            },
        };
        using Process process = CliProcess.Start(["pull", Model], ("HF_HUB_CACHE", cache));
        Task<CliResult> ended = CliProcess.EndAsync(process);
        await Task.WhenAny(reached.Task, ended);
        process.Kill();      // SIGKILL
        await ended;
        _server.Change = (_, answer) => answer;
        never.SetCanceled();
    }

    // Whether all is here; what is here under a name is right.
    private static bool Check(string cache, string commit, FakeFile[] files)
    {
        string folder = Path.Combine(cache, "models--org--model");
        string[] blobs = Directory.Exists(Path.Combine(folder, "blobs"))
            ? [.. Directory.GetFiles(Path.Combine(folder, "blobs")).Where(blob => Path.GetExtension(blob).Length == 0)]
            : [];
        foreach (string blob in blobs)
        {
            HashOf(File.ReadAllBytes(blob), isLarge: Path.GetFileName(blob).Length == 64)
                .ShouldBe(Path.GetFileName(blob));
        }

        var hub = new ModelHub(new HubSettings { Endpoint = "http://none", CacheDirectory = cache, Offline = true });
        Task<string> finding = hub.FindAsync(HubName.Parse(Model), ModelParts.All, null, default);
        if (finding.IsFaulted)
        {
            finding.Exception.InnerException.ShouldBeOfType<HubException>().Failure.ShouldBe(HubFailure.Offline);
            return false;
        }

        string snapshot = Path.Combine(folder, "snapshots", commit);
        finding.IsCompletedSuccessfully.ShouldBeTrue();
        foreach (FakeFile file in files)
        {
            File.ReadAllBytes(Path.Combine(snapshot, file.Path)).ShouldBe(file.Content);
        }

        return true;
    }

    private static string HashOf(byte[] content, bool isLarge) => Convert.ToHexStringLower(isLarge
        ? SHA256.HashData(content)
        : SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {content.Length}\0"), .. content]));

    private static long Kept(string cache)
    {
        string blobs = Path.Combine(cache, "models--org--model", "blobs");
        return Directory.Exists(blobs) ? new DirectoryInfo(blobs).GetFiles().Sum(blob => blob.Length) : 0;
    }

    private static void Set(params string?[] values)
    {
        foreach ((string name, string? value) in Variables.Zip(values))
        {
            Environment.SetEnvironmentVariable(name, value);
        }
    }
}
