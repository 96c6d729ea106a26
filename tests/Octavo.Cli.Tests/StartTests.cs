using System.Text.Json;
using Octavo.Testing;

namespace Octavo.Cli.Tests;

/// <summary><c>pack</c> and <c>bench start</c>: what a start takes, and how the next one takes less.</summary>
public sealed class StartTests
{
    [Fact]
    public async Task Pack_Model_LaterCommandsTakeTheCopyUntilTheWeightsChange()
    {
        using var model = new TalesVariant();
        string[] generate =
        [
            "generate", "Once upon a time", "--model", model.Path, "--quantization", "int8", "--temperature", "0",
            "--max-tokens", "12",
        ];
        CliResult before = await CliCall.RunAsync(generate);

        CliResult packed = await CliCall.RunAsync("pack", model.Path, "--quantization", "int8");

        packed.Code.ShouldBe(0, packed.Error);
        string path = packed.Output[..packed.Output.IndexOf(" (", StringComparison.Ordinal)];
        Path.GetDirectoryName(path).ShouldBe(model.Path);
        CliResult after = await CliCall.RunAsync(generate);
        after.Output.ShouldBe(before.Output);
        after.Error.ShouldNotContain("not used");

        File.SetLastWriteTimeUtc(Path.Combine(model.Path, "model.safetensors"), DateTime.UnixEpoch);
        CliResult stale = await CliCall.RunAsync(generate);
        stale.Output.ShouldBe(before.Output);
        stale.Error.ShouldContain($"note: {Path.GetFileName(path)} is not used");
    }

    [Fact]
    public async Task BenchStart_BundledModel_StartsThreeProcesses()
    {
        CliResult result = await CliCall.RunAsync("bench", "start", "--model", "tales", "--json");

        result.Code.ShouldBe(0, result.Error);
        using JsonDocument json = JsonDocument.Parse(result.Output);
        JsonElement[] starts = [.. json.RootElement.GetProperty("starts").EnumerateArray()];
        starts.Select(s => s.GetProperty("start").GetString()).ShouldBe(["one request", "greedy", "drawn"]);
        starts[0].GetProperty("process_to_first_token_seconds").GetDouble().ShouldBeGreaterThan(
            starts[0].GetProperty("loading_seconds").GetDouble());
        starts[0].GetProperty("resident_bytes").GetInt64().ShouldBeGreaterThan(
            starts[0].GetProperty("weight_bytes").GetInt64());
        starts[1].GetProperty("tokens_per_second").EnumerateArray().Select(r => r.GetDouble())
            .ShouldAllBe(r => r > 0);
        starts[2].GetProperty("tokens_per_second").GetArrayLength().ShouldBe(3);
    }
}
