using System.Text.Json;

namespace Octavo.Server.Tests;

public sealed class CompletionTests(ServerFixture fixture)
{
    private readonly TestServer _server = fixture.Client;

    [Fact]
    public async Task Completion_Greedy_SaysWhatTheReferenceSays()
    {
        for (int i = 0; i < Expected.Count; i++)
        {
            int[] greedy = Expected.Greedy(i);
            JsonElement answer = await _server.CompleteAsync(
                $$"""{"model": "tales", "prompt": {{JsonSerializer.Serialize(Expected.Prompt(i))}}, "temperature": 0, "max_tokens": {{greedy.Length}}, "ignore_eos": true}""");
            answer.GetProperty("object").GetString().ShouldBe("text_completion");
            answer.GetProperty("id").GetString().ShouldStartWith("cmpl-");
            JsonElement choice = answer.GetProperty("choices")[0];
            choice.GetProperty("text").GetString().ShouldBe(fixture.Engine.Tokenizer!.Decode(greedy));
            choice.GetProperty("finish_reason").GetString().ShouldBe("length");
            JsonElement usage = answer.GetProperty("usage");
            usage.GetProperty("prompt_tokens").GetInt32().ShouldBe(Expected.PromptIds(i).Length);
            usage.GetProperty("completion_tokens").GetInt32().ShouldBe(greedy.Length);
            usage.GetProperty("total_tokens").GetInt32().ShouldBe(Expected.PromptIds(i).Length + greedy.Length);
        }
    }
}
