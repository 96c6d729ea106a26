using System.Globalization;
using Microsoft.Extensions.AI;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Testing;
using TextMessage = Octavo.Text.ChatMessage;

namespace Octavo.Tests;

/// <summary>
/// Mistakes that a compiler does not see: null where none is expected, use after disposal, another culture.
/// </summary>
public sealed class ArgumentTests
{
    [Fact]
    public void Load_NullOrEmptyPath_IsAnArgumentException()
    {
        foreach (string? path in new[] { null, "" })
        {
            Names("model", () => LLM.Load(path!));
            Names("model", () => AsyncEngine.Load(path!));
            Names("path", () => ModelSource.Open(path!));
            Names("path", () => Checkpoint.Open(path!));
            Names("directory", () => Text.Tokenizer.Load(path!));
        }

        Names(
            "Targets",
            () =>
                LLM.Load(Repository.TalesModel, options: new EngineOptions { Scheduling = new() { Targets = null! } }));
        Names(
            "ClientWeights",
            () =>
                LLM.Load(
                    Repository.TalesModel,
                    options: new EngineOptions { Scheduling = new() { ClientWeights = null! } }));
        Names(
            "LogitsProcessors",
            () =>
                LLM.Load(
                    Repository.TalesModel,
                    options: new EngineOptions { Sampling = new() { LogitsProcessors = [null!] } }));
    }

    [Fact]
    public async Task Generate_Nulls_AreNamedAndTheEngineGoesOn()
    {
        using LLM llm = LLM.Load(Repository.TalesModel);
        Names("text", () => llm.Generate((string)null!));
        Names("tokenIds", () => llm.Generate((int[])null!));
        Names("prompt", () => llm.Engine.StreamAsync(null!));
        Names("prompts", () => llm.Generate((IEnumerable<string>)null!));
        Names("prompts", () => llm.Generate((IEnumerable<Prompt>)null!));
        Names("prompts", () => llm.Generate(new string[] { "a", null! })).ShouldContain("prompt 1 is null");
        Names("Stop", () => llm.Generate("a", new SamplingParams { Stop = null! }));
        Names("Stop", () => llm.Generate("a", new SamplingParams { Stop = ["x", null!] }))
            .ShouldContain("item 1 is null");
        Names("StopTokenIds", () => llm.Generate("a", new SamplingParams { StopTokenIds = null! }));
        Names("BadWords", () => llm.Generate("a", new SamplingParams { BadWords = [null!] }));
        Names("PromptLogprobTokenIds", () => llm.Generate("a", new SamplingParams { PromptLogprobTokenIds = [null!] }));
        Names("messages", () => llm.Chat(null!));
        Names("messages", () => llm.Chat([null!]));
        Names("messages", () => llm.Chat([new TextMessage("user", null!)]));
        Names("parameters", () => llm.BeamSearch("a", null!));
        Names("prompt", () => llm.BeamSearch(null!, new BeamSearchParams { BeamWidth = 2, MaxTokens = 2 }));
        Names("text", () => llm.Engine.Encode(null!));
        Names("engine", () => new OctavoChatClient(null!));
        IChatClient client = llm.Engine.AsChatClient();
        (await Should.ThrowAsync<ArgumentException>(() => client.GetResponseAsync([null!]))).ParamName
            .ShouldBe("messages");
        llm.Generate("a", new SamplingParams { MaxTokens = 1 }).Outputs[0].TokenIds.Count.ShouldBe(1);
    }

    [Fact]
    public async Task AnyCall_AfterDispose_SaysThatItIsDisposed()
    {
        LLM llm = LLM.Load(Repository.TalesModel);
        IChatClient client = llm.Engine.AsChatClient();
        llm.Dispose();
        llm.Dispose();
        await llm.Engine.DisposeAsync();
        Should.Throw<ObjectDisposedException>(() => llm.Generate("a"));
        Should.Throw<ObjectDisposedException>(() => llm.Chat([new TextMessage("user", "a")]));
        Should.Throw<ObjectDisposedException>(
            () => llm.BeamSearch("a", new BeamSearchParams { BeamWidth = 2, MaxTokens = 2 }));
        Should.Throw<ObjectDisposedException>(() => llm.Engine.StreamAsync("a"));
        Should.Throw<ObjectDisposedException>(() => llm.Engine.Prepare("a"));
        Should.Throw<ObjectDisposedException>(() => llm.Engine.Encode("a"));
        await Should.ThrowAsync<ObjectDisposedException>(() => llm.Engine.GenerateAsync("a"));
        await Should.ThrowAsync<ObjectDisposedException>(() => llm.Engine.CheckIntegrityAsync());
        await Should.ThrowAsync<ObjectDisposedException>(() => client.GetResponseAsync("a"));
        await llm.Engine.DrainAsync(TestContext.Current.CancellationToken);
        llm.Model.Name.ShouldBe("tales");
    }

    [Fact]
    public async Task Dispose_FromManyThreadsAtOnce_IsAsOne()
    {
        LLM llm = LLM.Load(Repository.TalesModel);
        Task<RequestOutput> running = llm.Engine.GenerateAsync(
            "Once", new SamplingParams
            {
                MaxTokens = 400,
                IgnoreEos = true,
            }, cancellationToken: TestContext.Current.CancellationToken);
        await Task.WhenAll(
            Enumerable.Range(0, 8).Select(_ => Task.Run(llm.Dispose, TestContext.Current.CancellationToken)));
        await Should.ThrowAsync<EngineStoppedException>(() => running);
        Should.Throw<ObjectDisposedException>(() => llm.Generate("a"));
    }

    [Fact]
    public void Checkpoint_AfterDispose_SaysThatItIsDisposed()
    {
        Checkpoint checkpoint = Checkpoint.Open(Repository.TalesModel);
        checkpoint.Dispose();
        Should.Throw<ObjectDisposedException>(() => checkpoint.Get("x"));
        Should.Throw<ObjectDisposedException>(() => checkpoint.Contains("x"));
    }

    [Fact]
    public void Messages_CultureWithCommasAndItsOwnMinus_AreTheSame()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        culture.NumberFormat.NumberDecimalSeparator = ",";
        culture.NumberFormat.NumberGroupSeparator = ".";
        culture.NumberFormat.NegativeSign = "\u2212";
        CultureInfo.CurrentCulture = culture;
        try
        {
            Message<InvalidRequestException>(() => new SamplingParams { TopP = 1.5f }.Validate())
                .ShouldBe("TopP must be above 0 and at most 1; it is 1.5");
            Message<InvalidRequestException>(() => new SamplingParams { MinP = -0.5f }.Validate())
                .ShouldBe("MinP must be between 0 and 1; it is -0.5");
            Message<InvalidRequestException>(() => new SamplingParams { MaxTokens = 5, MinTokens = 9 }.Validate())
                .ShouldBe("MinTokens must be at most MaxTokens (5); it is 9");
            Message<InvalidRequestException>(() => new SamplingParams { TopK = -3 }.Validate())
                .ShouldEndWith("it is -3");
            Message<InvalidRequestException>(
                () => new SamplingParams
                {
                    LogitBias = new Dictionary<int, float> { [3] = 100.5f }
                }.Validate()).ShouldEndWith(
                    "it is 3: 100.5");
            Refused(new EngineOptions { Scheduling = new() { KvCacheWatermark = 1.25 } }, "below 1; it is 1.25");
            Refused(new EngineOptions { Scheduling = new() { MaxNumSeqs = -2 } }, "at least 1; it is -2");
            Refused(new EngineOptions { Memory = new() { MemoryFraction = 1.5 } }, "at most 1; it is 1.5");
            Refused(
                new EngineOptions { Memory = new() { KvCacheMemory = 300_000 } },
                "a key-value cache of 292.97 KiB holds ");
            Refused(
                new EngineOptions { Scheduling = new() { Targets = new BatchingTargets { Percentile = 1.01 } } },
                "at least 0.5 and below 1; it is 1.01");
            using TalesVariant model = new TalesVariant().With("config.json", "partial_rotary_factor", "0.25");
            Message<UnsupportedModelException>(() => LLM.Load(model.Path)).ShouldContain("is 0.25");
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }

        static void Refused(EngineOptions options, string words) =>
            Message<EngineConfigurationException>(() => LLM.Load(Repository.TalesModel, options: options).Dispose())
                .ShouldContain(words);
    }

    private static string Message<T>(Action act)
        where T : Exception => Should.Throw<T>(act).Message;

    private static string Names(string parameter, Func<object> act)
    {
        ArgumentException error = Should.Throw<ArgumentException>(() => { act(); });
        error.ParamName.ShouldBe(parameter);
        return error.Message;
    }
}
