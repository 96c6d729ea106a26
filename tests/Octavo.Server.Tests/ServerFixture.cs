using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using Octavo.Server.Tests;
using Octavo.Testing;

[assembly: AssemblyFixture(typeof(ServerFixture))]

namespace Octavo.Server.Tests;

/// <summary>One real server over the bundled model, for every test that does not stop it.</summary>
public sealed class ServerFixture : IAsyncLifetime
{
    private TestServer? _server;

    public AsyncEngine Engine => Client.Engine;

    public OctavoServer Server => Client.Server;

    public TestServer Client => _server ?? throw new InvalidOperationException("not started");

    public async ValueTask InitializeAsync() => _server = await TestServer.StartAsync(new EngineOptions());

    public async ValueTask DisposeAsync() => await Client.DisposeAsync();
}

/// <summary>A server and a client of it.</summary>
public sealed class TestServer : IAsyncDisposable
{
    private TestServer(AsyncEngine engine, OctavoServer server)
    {
        (Engine, Server) = (engine, server);
        Http = new HttpClient { BaseAddress = new Uri(server.Url), Timeout = TimeSpan.FromMinutes(10) };
    }

    public AsyncEngine Engine { get; }

    public OctavoServer Server { get; }

    public HttpClient Http { get; }

    /// <summary>
    /// What a server of a single test has: adaptive batching measures the machine's steps before the first, and
    /// complains, rightly, in the log when a busy machine cannot keep its targets. The server that most tests share has
    /// it.
    /// </summary>
    public static EngineOptions Fixed { get; } = new() { Scheduling = new() { Batching = BatchingMode.Fixed } };

    public static async Task<TestServer> StartAsync(EngineOptions? engineOptions = null, ServerOptions? options = null)
    {
        EngineOptions asked = engineOptions ?? Fixed;
        AsyncEngine engine = AsyncEngine.Load(
            Repository.TalesModel, asked with { Model = asked.Model with { Dtype = ModelDtype.Float32 } });
        return await ServeAsync(engine, options);
    }

    /// <summary>Serves an engine, which is disposed with the server.</summary>
    public static async Task<TestServer> ServeAsync(AsyncEngine engine, ServerOptions? options = null) =>
        new(engine, await OctavoServer.StartAsync(engine, (options ?? new ServerOptions()) with { Port = 0 }));

    public Task<HttpResponseMessage> PostAsync(string path, string body) =>
        Http.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"));

    /// <summary>Posts and demands success.</summary>
    public async Task<JsonElement> CallAsync(string path, string body)
    {
        using HttpResponseMessage response = await PostAsync(path, body);
        string text = await response.Content.ReadAsStringAsync();
        ((int)response.StatusCode).ShouldBe(200, text);
        return JsonSerializer.Deserialize<JsonElement>(text);
    }

    public Task<JsonElement> CompleteAsync(string body) => CallAsync("/v1/completions", body);

    public Task<JsonElement> ChatAsync(string body) => CallAsync("/v1/chat/completions", body);

    /// <summary>Posts, demands an error, and returns its status and fields.</summary>
    public async Task<(int Status, JsonElement Error)> FailAsync(string path, string body)
    {
        using HttpResponseMessage response = await PostAsync(path, body);
        JsonElement json = await response.Content.ReadFromJsonAsync<JsonElement>();
        return ((int)response.StatusCode, json.GetProperty("error"));
    }

    /// <summary>Posts and reads the events, of which the last must be [DONE].</summary>
    public async Task<List<JsonElement>> StreamAsync(string path, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        using HttpResponseMessage response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        ((int)response.StatusCode).ShouldBe(
            200, await (response.IsSuccessStatusCode ? Task.FromResult("") : response.Content.ReadAsStringAsync()));
        response.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        response.Headers.CacheControl!.NoCache.ShouldBeTrue();
        List<string> events = [];
        await foreach (SseItem<string> item in SseParser.Create(await response.Content.ReadAsStreamAsync())
            .EnumerateAsync())
        {
            events.Add(item.Data);
        }

        events[^1].ShouldBe("[DONE]");
        return [.. events.SkipLast(1).Select(e => JsonSerializer.Deserialize<JsonElement>(e))];
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Server.DisposeAsync();
        await Engine.DisposeAsync();
    }
}

/// <summary>Greedy answers that another program computed: models/tales/expected.json.</summary>
public static class Expected
{
    private static readonly JsonElement[] Prompts = [.. JsonSerializer.Deserialize<JsonElement>(
        File.ReadAllText(
            Path.Combine(Repository.TalesModel, "expected.json"))).GetProperty("prompts").EnumerateArray()];

    public static int Count => Prompts.Length;

    public static string Prompt(int index) => Prompts[index].GetProperty("prompt").GetString()!;

    public static int[] PromptIds(int index) =>
        [.. Prompts[index].GetProperty("prompt_ids").EnumerateArray().Select(e => e.GetInt32())];

    public static int[] Greedy(int index) =>
        [.. Prompts[index].GetProperty("greedy").EnumerateArray().Select(e => e.GetProperty("token").GetInt32())];

    public static double[] GreedyLogprobs(int index) =>
        [.. Prompts[index].GetProperty("greedy").EnumerateArray().Select(e => e.GetProperty("logprob").GetDouble())];
}
