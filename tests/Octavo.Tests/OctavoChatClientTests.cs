using System.Text.Json;
using Microsoft.Extensions.AI;
using Octavo.Engine;
using Octavo.Testing;

namespace Octavo.Tests;

public sealed class OctavoChatClientTests(
    OctavoChatClientTests.SharedEngine shared) : IClassFixture<OctavoChatClientTests.SharedEngine>, IDisposable
{
    private readonly AsyncEngine _engine = shared.Engine;
    private readonly IChatClient _client = shared.Engine.AsChatClient();

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task GetResponse_OneMessage_EqualsTheEngineOnTheRenderedPrompt()
    {
        RequestOutput expected = await _engine.GenerateAsync(
            new ChatPrompts(_engine).Render([new Text.ChatMessage("user", "The fox said")]),
            new SamplingParams { Temperature = 0, MaxTokens = 12 });

        ChatResponse response = await _client.GetResponseAsync(
            "The fox said", new ChatOptions { Temperature = 0, MaxOutputTokens = 12 });

        response.Text.ShouldBe(expected.Outputs[0].Text);
        response.Messages.ShouldHaveSingleItem().Role.ShouldBe(ChatRole.Assistant);
        response.ModelId.ShouldBe("tales");
        response.FinishReason.ShouldBe(ChatFinishReason.Length);
        response.Usage!.InputTokenCount.ShouldBe(expected.PromptTokenIds.Count);
        response.Usage.OutputTokenCount.ShouldBe(12);
        response.Usage.TotalTokenCount.ShouldBe(expected.PromptTokenIds.Count + 12);
    }

    [Fact]
    public async Task GetStreamingResponse_Collected_EqualsTheWholeResponse()
    {
        var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 20 };
        ChatResponse whole = await _client.GetResponseAsync("The fox said", options);

        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in _client.GetStreamingResponseAsync("The fox said", options))
        {
            updates.Add(update);
        }

        ChatResponse collected = updates.ToChatResponse();
        updates.Count.ShouldBeGreaterThan(5);
        collected.Text.ShouldBe(whole.Text);
        collected.FinishReason.ShouldBe(whole.FinishReason);
        collected.Usage!.InputTokenCount.ShouldBe(whole.Usage!.InputTokenCount);
        collected.Usage.OutputTokenCount.ShouldBe(20);
        collected.Messages.Count.ShouldBe(1);
        collected.ModelId.ShouldBe("tales");
    }

    [Fact]
    public async Task GetResponse_InstructionsAndSeveralMessages_AreOneConversation()
    {
        ChatMessage[] messages =
        [
            new(ChatRole.User, [new TextContent("The"), new TextContent("king")]),
            new(ChatRole.Assistant, "was old."),
            new(ChatRole.User, "And then"),
        ];
        Text.ChatMessage[] same =
        [
            new("system", "Tell tales."), new("user", "The\nking"), new(
                "assistant", "was old."), new("user", "And then"),
        ];
        RequestOutput expected = await _engine.GenerateAsync(
            new ChatPrompts(_engine).Render(same), new SamplingParams { Temperature = 0, MaxTokens = 10 });

        ChatResponse response = await _client.GetResponseAsync(
            messages, new ChatOptions { Instructions = "Tell tales.", Temperature = 0, MaxOutputTokens = 10 });

        response.Text.ShouldBe(expected.Outputs[0].Text);
        response.Usage!.InputTokenCount.ShouldBe(expected.PromptTokenIds.Count);
    }

    [Fact]
    public async Task GetResponse_SamplingBeyondTheOptions_ComesFromTheRawRepresentation()
    {
        var options = new ChatOptions
        {
            RawRepresentationFactory = _ => new SamplingParams
            {
                Temperature =
            0,
                MaxTokens = 30,
                IgnoreEos = true,
                MinP = 0.1f
            },
            MaxOutputTokens = 7
        };
        ChatResponse response = await _engine.AsChatClient().GetResponseAsync("The fox", options);
        response.Usage!.OutputTokenCount.ShouldBe(7);
        options.RawRepresentationFactory = _ => "text";
        (await Should.ThrowAsync<NotSupportedException>(
            _engine.AsChatClient().GetResponseAsync("The fox", options))).Message.ShouldContain("SamplingParams");
        var extra = new ChatOptions { AdditionalProperties = new() { ["min_p"] = 0.1 } };
        (await Should.ThrowAsync<NotSupportedException>(
            _engine.AsChatClient().GetResponseAsync("The fox", extra))).Message.ShouldContain("AdditionalProperties");
    }

    [Fact]
    public async Task GetResponse_SamplingOptions_ReachTheEngine()
    {
        var options = new ChatOptions
        {
            Temperature = 1.2f,
            TopP = 0.9f,
            TopK = 40,
            Seed = 11,
            FrequencyPenalty = 0.5f,
            PresencePenalty = 0.25f,
            MaxOutputTokens = 16,
            StopSequences = ["\n"],
        };
        RequestOutput expected = await _engine.GenerateAsync(
            new ChatPrompts(_engine).Render([new Text.ChatMessage("user", "The fox")]),
            new SamplingParams
            {
                Temperature = 1.2f,
                TopP = 0.9f,
                TopK = 40,
                Seed = 11,
                FrequencyPenalty = 0.5f,
                PresencePenalty = 0.25f,
                MaxTokens = 16,
                Stop = ["\n"],
            });

        (await _client.GetResponseAsync("The fox", options)).Text.ShouldBe(expected.Outputs[0].Text);
    }

    [Fact]
    public async Task GetResponse_NoOptions_TakesTheModelsOwnDefaults()
    {
        ChatResponse response = await _client.GetResponseAsync("The fox");

        // generation_config.json ends answers at 480 tokens.
        response.Usage!.OutputTokenCount!.Value.ShouldBeInRange(1, 480);
    }

    [Fact]
    public async Task GetResponse_StopSequence_EndsWithStop()
    {
        ChatResponse response = await _client.GetResponseAsync(
            "The fox said", new ChatOptions { Temperature = 0, MaxOutputTokens = 60, StopSequences = ["e"] });

        response.FinishReason.ShouldBe(ChatFinishReason.Stop);
        response.Text.ShouldNotContain('e');
    }

    public static TheoryData<string, ChatOptions> Unsupported() => new()
    {
        { "Tools", new ChatOptions
        {
            Tools = [AIFunctionFactory.CreateDeclaration("f", null, JsonDocument.Parse("{}").RootElement, null)]
        } },
        { "ToolMode", new ChatOptions { ToolMode = ChatToolMode.RequireAny } },
        { "ResponseFormat", new ChatOptions { ResponseFormat = ChatResponseFormat.Json } },
        { "ConversationId", new ChatOptions { ConversationId = "1" } },
        { "ModelId", new ChatOptions { ModelId = "other" } },
    };

    [Theory]
    [MemberData(nameof(Unsupported), DisableDiscoveryEnumeration = true)]
    public async Task GetResponse_UnsupportedOption_IsRefusedByItsName(string name, ChatOptions options)
    {
        NotSupportedException refusal = await Should.ThrowAsync<NotSupportedException>(
            () => _client.GetResponseAsync("The fox", options));

        refusal.Message.ShouldStartWith($"ChatOptions.{name} is not supported");
        await Should.ThrowAsync<NotSupportedException>(
            async () => await _client.GetStreamingResponseAsync("The fox", options).ToChatResponseAsync());
    }

    [Fact]
    public async Task GetResponse_Picture_IsRefused()
    {
        var message = new ChatMessage(ChatRole.User, [new DataContent(new byte[] { 1 }, "image/png")]);

        (await Should.ThrowAsync<NotSupportedException>(() => _client.GetResponseAsync([message]))).Message
            .ShouldContain(nameof(DataContent));
    }

    [Fact]
    public async Task GetResponse_ValueOutOfRange_NamesTheField() =>
        (await Should.ThrowAsync<InvalidRequestException>(
            () => _client.GetResponseAsync("The fox", new ChatOptions { TopP = 2 })))
        .Parameter.ShouldBe("TopP");

    [Fact]
    public async Task GetStreamingResponse_Abandoned_EndsTheRequest()
    {
        // One of its own, which takes no others once it drains.
        await using AsyncEngine engine = SharedEngine.Load();
        using IChatClient client = engine.AsChatClient();
        await using (IAsyncEnumerator<ChatResponseUpdate> updates = client
            .GetStreamingResponseAsync("The fox", new ChatOptions { MaxOutputTokens = 400 }).GetAsyncEnumerator())
        {
            (await updates.MoveNextAsync()).ShouldBeTrue();
        }

        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        await engine.DrainAsync(patience.Token);
        engine.NumRequests.ShouldBe(0);
    }

    [Fact]
    public void GetService_KnownTypes_AreFound()
    {
        _client.GetService<ChatClientMetadata>()!.DefaultModelId.ShouldBe("tales");
        _client.GetService<ChatClientMetadata>()!.ProviderName.ShouldBe("octavo");
        _client.GetService<AsyncEngine>().ShouldBeSameAs(_engine);
        _client.GetService<IChatClient>().ShouldBeSameAs(_client);
        _client.GetService<string>().ShouldBeNull();
        _client.GetService(typeof(AsyncEngine), "key").ShouldBeNull();
    }

    /// <summary>One engine for all tests that do not end it.</summary>
    public sealed class SharedEngine : IDisposable
    {
        public AsyncEngine Engine { get; } = Load();

        public static AsyncEngine Load() => AsyncEngine.Load(
            Repository.TalesModel, new EngineOptions
            {
                Model = new() { Dtype = ModelDtype.Float32, ServedModelName = "tales" },
                Memory = new() { KvCacheMemory = 16 << 20 }
            });

        public void Dispose() => Engine.Dispose();
    }
}
