using System.Text.Json;
using Octavo.Engine;
using Octavo.Testing;

namespace Octavo.Server.Tests;

/// <summary>What answers say of the model, and of its faults.</summary>
public sealed class ModelFaultTests(ServerFixture fixture)
{
    private const int Poison = 13;

    private readonly TestServer _server = fixture.Client;

    [Fact]
    public async Task Fingerprint_IsOneConstantInAllAnswers()
    {
        string fingerprint = (await _server.CompleteAsync("""{"prompt": "Once", "max_tokens": 1}"""))
            .GetProperty("system_fingerprint").GetString()!;
        fingerprint.ShouldMatch("^fp_[0-9a-f]{16}$");
        const string Chat =
            """{"messages": [{"role": "user", "content": "Go"}], "max_tokens": 2, "stream": true, "stream_options": {"include_usage": true}}""";
        List<JsonElement> events =
        [
            .. await _server.StreamAsync("/v1/chat/completions", Chat),
            .. await _server.StreamAsync("/v1/completions", """{"prompt": "Once", "max_tokens": 2, "stream": true}""")
        ];
        events.ShouldAllBe(e => e.GetProperty("system_fingerprint").GetString() == fingerprint);

        // The same files elsewhere are the same; another scheme is another.
        (await OfAsync(new EngineOptions { Model = new() { Dtype = ModelDtype.Float32 } })).ShouldBe(fingerprint);
        (await OfAsync(new EngineOptions { Model = new() { Quantization = "int8" } })).ShouldNotBe(fingerprint);

        static async Task<string> OfAsync(EngineOptions options)
        {
            using TalesVariant model = new();
            await using TestServer server = await TestServer.ServeAsync(AsyncEngine.Load(model.Path, options));
            return (await server.CompleteAsync("""{"prompt": "Once", "max_tokens": 1}"""))
                .GetProperty("system_fingerprint")
                .GetString()!;
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public async Task Logits_NotFinite_AreTheModelsFaultAndNobodyElses(float value)
    {
        var engine = new LlmEngine(
            new PoisonedRunner(value),
            null,
            new LlmEngineOptions { MaxModelLen = 64, Scheduling = new() { Batching = BatchingMode.Fixed } });
        await using TestServer server = await TestServer
            .ServeAsync(new AsyncEngine(engine, null, fixture.Engine.Model with { MaxModelLen = 64 }));
        Task<JsonElement>[] neighbours = [.. Enumerable.Range(0, 4)
            .Select(_ => server.CompleteAsync("""{"prompt": [1, 2], "max_tokens": 30, "ignore_eos": true}"""))];
        foreach (string more in new[]
        {
            "", ", \"temperature\": 0", ", \"logprobs\": 1", ", \"repetition_penalty\": 1.5",
            ", \"prompt_logprobs\": 1", ", \"n\": 3", ", \"n\": 2, \"use_beam_search\": true"
        })
        {
            (int status, JsonElement error) = await server
                .FailAsync("/v1/completions", $$"""{"prompt": [1, {{Poison}}, 2], "max_tokens": 4{{more}}}""");
            status.ShouldBe(500, more);
            error.GetProperty("type").GetString().ShouldBe("server_error");
            error.GetProperty("code").GetString().ShouldBe("model_output_invalid");
            error.GetProperty("message").GetString()!.ShouldContain("not finite");
        }

        List<JsonElement> events = await server.StreamAsync(
            "/v1/completions", $$"""{"prompt": [{{Poison}}], "max_tokens": 4, "stream": true}""");
        events[^1].GetProperty("error").GetProperty("code").GetString().ShouldBe("model_output_invalid");
        foreach (JsonElement answer in await Task.WhenAll(neighbours))
        {
            answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32().ShouldBe(30);
        }
    }

    [Fact]
    public async Task Hook_ThatMakesLogitsNotFinite_IsNoFaultOfTheRequest()
    {
        await using TestServer server = await TestServer.StartAsync(
            new EngineOptions { Sampling = new() { LogitsProcessors = [_ => (_, logits) => logits[3] = float.NaN] } });
        (int status, JsonElement error) = await server
            .FailAsync("/v1/completions", """{"prompt": "Once", "max_tokens": 2, "temperature": 0}""");
        status.ShouldBe(500);
        error.GetProperty("message").GetString()!.ShouldContain("not finite");
    }

    [Fact]
    public async Task Repetition_Detected_IsAStopWithItsReason()
    {
        const string Body =
            """{"prompt": "Once", "max_tokens": 30, "ignore_eos": true, "allowed_token_ids": [500], "repetition_detection": {"max_pattern_size": 2, "min_count": 3}""";
        JsonElement choice = (await _server.CompleteAsync(Body + "}")).GetProperty("choices")[0];
        choice.GetProperty("finish_reason").GetString().ShouldBe("stop");
        choice.GetProperty("stop_reason").GetString().ShouldBe("repetition_detected");
        JsonElement last = (await _server.StreamAsync("/v1/completions", Body + ", \"stream\": true}"))[^1]
            .GetProperty("choices")[0];
        last.GetProperty("finish_reason").GetString().ShouldBe("stop");
        last.GetProperty("stop_reason").GetString().ShouldBe("repetition_detected");
    }

    /// <summary>A model that always says 7, and loses its mind at one token.</summary>
    private sealed class PoisonedRunner(float value) : IModelRunner
    {
        public int VocabSize => 64;

        public IReadOnlyList<CacheGroup> CacheGroups => CacheGroup.Everything;

        public int NumBlocks => 64;

        public int BlockSize => 16;

        public int MaxNumBatchedTokens => 4096;

        public IWorkTeam Team => CallerOnly.Instance;

        public StepWork Work => default;

        public void Run(StepBatch batch, Span<float> logits)
        {
            logits.Clear();
            int row = 0;
            for (int sequence = 0; sequence < batch.NumSequences; sequence++)
            {
                ReadOnlySpan<int> tokens = batch.TokenIds[batch.QueryStarts[sequence]..batch.QueryStarts[sequence + 1]];
                for (; row < batch.LogitsRows.Length && batch.LogitsRows[row] < batch.QueryStarts[sequence + 1]; row++)
                {
                    Span<float> target = logits.Slice(row * VocabSize, VocabSize);
                    target[7] = 9;
                    if (tokens.Contains(Poison))
                    {
                        target[20] = value;
                        target = float.IsNegativeInfinity(value) ? target : target[..20];
                        target.Fill(float.IsNegativeInfinity(value) ? value : 0);
                    }
                }
            }
        }

        public void Dispose()
        {
        }
    }
}
