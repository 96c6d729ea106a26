using System.Diagnostics;
using System.Text.Json;

namespace Octavo.EndToEnd.Tests;

/// <summary>
/// The npm <c>openai</c> client against a server process; skips where Node or the package cannot be had.
/// </summary>
[Collection(ServerFixture.Clients)]
public sealed class NpmClientTests(ServerFixture fixture)
{
    [Fact]
    public async Task Client_EveryCall_SeesWhatOpenAIWouldSend()
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "npm");
        if (!Directory.Exists(Path.Combine(folder, "node_modules", "openai")))
        {
            (int code, string output) = await RunAsync("npm", folder, "ci", "--no-audit", "--no-fund");
            Assert.SkipWhen(code != 0, "needs npm and its registry: " + output);
        }

        (int exit, string text) = await RunAsync("node", folder, "client.mjs", fixture.Url.ToString().TrimEnd('/'));
        exit.ShouldBe(0, text);
        using JsonDocument document = JsonDocument.Parse(text);
        JsonElement seen = document.RootElement;

        seen.GetProperty("models")[0].GetString().ShouldBe("tales");
        string whole = Text(seen.GetProperty("completion"));
        whole.ShouldNotBeNullOrWhiteSpace();
        seen.GetProperty("completion").GetProperty("usage").GetProperty("completion_tokens").GetInt32().ShouldBe(24);
        seen.GetProperty("streamed").GetString().ShouldBe(whole);
        seen.GetProperty("streamedUsage").GetProperty("total_tokens").GetInt32().ShouldBe(24 + 5);
        JsonElement several = seen.GetProperty("several").GetProperty("choices");
        several.GetArrayLength().ShouldBe(2);
        several[0].GetProperty("text").GetString().ShouldNotBe(several[1].GetProperty("text").GetString());
        whole.ShouldStartWith(Text(seen.GetProperty("stopped")));
        seen.GetProperty("stopped").GetProperty("choices")[0].GetProperty("finish_reason").GetString().ShouldBe("stop");
        JsonElement logprobs = seen.GetProperty("scored").GetProperty("choices")[0].GetProperty("logprobs");
        logprobs.GetProperty("tokens").GetArrayLength().ShouldBe(3);
        logprobs.GetProperty("top_logprobs")[0].EnumerateObject().Count().ShouldBeGreaterThanOrEqualTo(2);

        JsonElement message = seen.GetProperty("chat").GetProperty("choices")[0].GetProperty("message");
        seen.GetProperty("chatStreamed").GetString().ShouldBe(message.GetProperty("content").GetString());
        seen.GetProperty("role").GetString().ShouldBe("assistant");
        seen.GetProperty("finish").GetString().ShouldBe("length");
        JsonElement scored = seen.GetProperty("chatScored").GetProperty("choices");
        scored.GetArrayLength().ShouldBe(2);
        scored[1].GetProperty("logprobs").GetProperty("content")[2].GetProperty("top_logprobs").GetArrayLength()
            .ShouldBe(2);

        JsonElement errors = seen.GetProperty("errors");
        errors.GetProperty("model").GetProperty("status").GetInt32().ShouldBe(404);
        errors.GetProperty("model").GetProperty("code").GetString().ShouldBe("model_not_found");
        errors.GetProperty("temperature").GetProperty("status").GetInt32().ShouldBe(400);
    }

    private static string Text(JsonElement completion) =>
        completion.GetProperty("choices")[0].GetProperty("text").GetString()!;

    private static async Task<(int ExitCode, string Output)> RunAsync(
        string program, string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(
            program,
            arguments)
        {
            WorkingDirectory = folder,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        try
        {
            using Process process = Process.Start(start)!;
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(10));
            Task<string> errors = process.StandardError.ReadToEndAsync(limit.Token);
            string output = await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return (process.ExitCode, process.ExitCode == 0 ? output : output + await errors);
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return (-1, $"{program}: {e.Message}");
        }
    }
}
