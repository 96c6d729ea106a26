using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text;
using OpenAI;
using OpenAI.Chat;

namespace Octavo.EndToEnd.Tests;

/// <summary>The official OpenAI .NET client against a server process.</summary>
[Collection(ServerFixture.Clients)]
public sealed class OpenAIClientTests(ServerFixture fixture)
{
    private static readonly ChatMessage[] Messages = [new UserChatMessage("Tell me a story about a fox.")];

    [Fact]
    public async Task CompleteChat_Plain_HasTextUsageAndReason()
    {
        ChatCompletion answer = await Chat().CompleteChatAsync(Messages, Greedy());
        answer.Content[0].Text.ShouldNotBeNullOrWhiteSpace();
        answer.FinishReason.ShouldBe(ChatFinishReason.Length);
        answer.Usage.OutputTokenCount.ShouldBe(24);
        answer.Usage.InputTokenCount.ShouldBeGreaterThan(3);
        answer.Model.ShouldBe("tales");
        answer.Role.ShouldBe(ChatMessageRole.Assistant);
    }

    [Fact]
    public async Task CompleteChat_Streaming_AddsUpToTheWhole()
    {
        ChatCompletion whole = await Chat().CompleteChatAsync(Messages, Greedy());
        var text = new StringBuilder();
        int updates = 0;
        ChatTokenUsage? usage = null;
        ChatFinishReason? reason = null;
        await foreach (StreamingChatCompletionUpdate update in Chat().CompleteChatStreamingAsync(Messages, Greedy()))
        {
            updates++;
            usage = update.Usage ?? usage;
            reason = update.FinishReason ?? reason;
            foreach (ChatMessageContentPart part in update.ContentUpdate)
            {
                text.Append(part.Text);
            }
        }

        text.ToString().ShouldBe(whole.Content[0].Text);
        updates.ShouldBeGreaterThan(10);
        reason.ShouldBe(ChatFinishReason.Length);
        usage!.OutputTokenCount.ShouldBe(24);
    }

    [Fact]
    public async Task CompleteChat_Stop_EndsBeforeIt()
    {
        ChatCompletion whole = await Chat().CompleteChatAsync(Messages, Greedy());
        string stop = whole.Content[0].Text.Substring(12, 4);
        ChatCompletionOptions options = Greedy();
        options.StopSequences.Add(stop);
        ChatCompletion stopped = await Chat().CompleteChatAsync(Messages, options);
        stopped.FinishReason.ShouldBe(ChatFinishReason.Stop);
        stopped.Content[0].Text.ShouldBe(
            whole.Content[0].Text[..whole.Content[0].Text.IndexOf(stop, StringComparison.Ordinal)]);
    }

    [Fact]
    public async Task CompleteChat_Logprobs_AreThere()
    {
        ChatCompletionOptions options = Greedy();
        options.IncludeLogProbabilities = true;
        options.TopLogProbabilityCount = 3;
        ChatCompletion answer = await Chat().CompleteChatAsync(Messages, options);
        answer.ContentTokenLogProbabilities.Count.ShouldBe(24);
        foreach (ChatTokenLogProbabilityDetails token in answer.ContentTokenLogProbabilities)
        {
            token.TopLogProbabilities.Count.ShouldBe(3);
            token.LogProbability.ShouldBe(token.TopLogProbabilities[0].LogProbability, "greedy takes the most likely");
            Encoding.UTF8.GetString(token.Utf8Bytes!.Value.Span).ShouldBe(token.Token);
        }

        string.Concat(answer.ContentTokenLogProbabilities.Select(t => t.Token)).ShouldBe(answer.Content[0].Text);
    }

    // The client has no typed legacy completions and no typed n, so these go through its protocol methods.
    [Fact]
    public async Task CompleteChat_TwoChoices_AreDifferentAndIndexed()
    {
        BinaryContent body = BinaryContent.Create(BinaryData.FromString(
            """{"model":"tales","messages":[{"role":"user","content":"The fox"}],"n":2,"seed":5,"temperature":1.0,"max_tokens":20}"""));
        ClientResult result = await Chat().CompleteChatAsync(body);
        using var document = System.Text.Json.JsonDocument.Parse(result.GetRawResponse().Content);
        System.Text.Json.JsonElement choices = document.RootElement.GetProperty("choices");
        choices.GetArrayLength().ShouldBe(2);
        string[] texts = [.. choices.EnumerateArray()
            .OrderBy(c => c.GetProperty("index").GetInt32())
            .Select(c => c.GetProperty("message").GetProperty("content").GetString()!)];
        texts.Distinct().Count().ShouldBe(2);
    }

    [Fact]
    public async Task Pipeline_Completions_WorkThroughTheClient()
    {
        OpenAIClient client = fixture.Client;
        using PipelineMessage message = client.Pipeline.CreateMessage();
        message.Request.Method = "POST";
        message.Request.Uri = new Uri(fixture.Url, "/v1/completions");
        message.Request.Headers.Set("Content-Type", "application/json");
        message.Request.Content = BinaryContent.Create(BinaryData.FromString(
            """{"model":"tales","prompt":["Once upon a time","The fox"],"n":2,"temperature":0,"max_tokens":12,"logprobs":2,"echo":true}"""));
        await client.Pipeline.SendAsync(message);
        message.Response!.Status.ShouldBe(200);
        using var document = System.Text.Json.JsonDocument.Parse(message.Response.Content);
        System.Text.Json.JsonElement[] choices = [.. document.RootElement.GetProperty("choices").EnumerateArray()];
        choices.Select(c => c.GetProperty("index").GetInt32()).ShouldBe([0, 1, 2, 3], ignoreOrder: true);
        choices.Single(c => c.GetProperty("index").GetInt32() == 2).GetProperty("text").GetString()!
            .ShouldStartWith("The fox");
    }

    [Fact]
    public async Task GetModels_Listed_NamesTheModel()
    {
        OpenAI.Models.OpenAIModelCollection models = await fixture.Client.GetOpenAIModelClient().GetModelsAsync();
        models.Select(m => m.Id).ShouldBe(["tales"]);
    }

    [Fact]
    public async Task CompleteChat_UnknownModel_IsAClientError()
    {
        ChatClient nobody = fixture.Client.GetChatClient("nobody");
        ClientResultException e = await Should.ThrowAsync<ClientResultException>(
            async () => await nobody.CompleteChatAsync(Messages, Greedy()));
        e.Status.ShouldBe(404);
        e.Message.ShouldContain("nobody");
    }

    private static ChatCompletionOptions Greedy() => new() { Temperature = 0, MaxOutputTokenCount = 24 };

    private ChatClient Chat() => fixture.Client.GetChatClient("tales");
}

/// <summary>One server on the bundled model for all clients.</summary>
[CollectionDefinition(Clients)]
public sealed class ServerFixture : IAsyncLifetime, ICollectionFixture<ServerFixture>
{
    public const string Clients = "clients";

    private OctavoProcess? _server;

    public Uri Url => _server!.Url;

    public OpenAIClient Client { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await OctavoProcess.ServeAsync("--dtype", "float32");
        Client = new OpenAIClient(new ApiKeyCredential("none"), new OpenAIClientOptions
        {
            Endpoint = new Uri(Url, "/v1"),
            RetryPolicy = new ClientRetryPolicy(0),
        });
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }
}
