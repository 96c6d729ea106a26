using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Testing;

namespace Octavo.Cli.Tests;

public sealed class QuantizeTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("octavo-quantize-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task QuantizeThenEval_Int8_CostsATenthOfAPercent()
    {
        string output = Path.Combine(_folder, "tales-int8"), page = Path.Combine(_folder, "report.html");
        CliResult quantized = await CliCall.RunAsync("quantize", "--scheme", "int8", "--output", output);
        quantized.Code.ShouldBe(0, quantized.Error);
        quantized.Output.ShouldContain("peak memory: ");

        // The page names the process's own command line.
        CliResult result = await CliProcess.RunAsync(
            "eval", output, "--dtype", "float32", "--reference", Repository.TalesModel, "--json", "--report", page);

        result.Code.ShouldBe(0, result.Error);
        using JsonDocument json = JsonDocument.Parse(result.Output);
        JsonElement comparison = json.RootElement.GetProperty("comparison");
        json.RootElement.GetProperty("scored_tokens").GetInt32().ShouldBe(17245);
        comparison.GetProperty("reference_perplexity").GetProperty("value").GetDouble().ShouldBe(33.3884, 0.001);

        // An independent simulation: 0.10%.
        comparison.GetProperty("perplexity_increase").GetProperty("value").GetDouble().ShouldBeInRange(0.0003, 0.0025);
        comparison.GetProperty("layer_errors").GetArrayLength().ShouldBe(5);
        string html = await File.ReadAllTextAsync(page);
        html.ShouldContain("<meta name=\"viewport\"");
        html.ShouldContain("octavo 0.");
        html.ShouldContain("<code>octavo eval ");
        html.ShouldContain("<div class=\"scroll\"><svg");       // on a telephone charts scroll, rather than shrink
        // Names of rows, in the first column, do not break within words.
        html.ShouldContain("td+td{overflow-wrap");
        html.ShouldNotContain("http");
        html.ShouldNotContain("NaN");

        CliResult told = await CliCall.RunAsync(
            "generate", "Once upon a time", "--model", output, "--temperature", "0", "--max-tokens", "8");
        told.Code.ShouldBe(0, told.Error);
        CliResult inspected = await CliCall.RunAsync("inspect", output);
        inspected.Output.ShouldContain(
            "compressed-tensors: 8-bit integer weights by group 128, symmetric, 8-bit activations");
        using (JsonDocument plain = JsonDocument.Parse((await CliCall.RunAsync("inspect", output, "--json")).Output))
        {
            CacheOf(plain).ShouldBe("bfloat16");
        }

        // A checkpoint may ask for the cache of vLLM's fp8.
        string config = Path.Combine(output, "config.json");
        await File.WriteAllTextAsync(config, (await File.ReadAllTextAsync(config)).Replace(
            "\"kv_cache_scheme\": null",
            "\"kv_cache_scheme\": {\"type\": \"float\", \"num_bits\": 8, \"strategy\": \"tensor\"}"));
        using (JsonDocument asked = JsonDocument.Parse((await CliCall.RunAsync("inspect", output, "--json")).Output))
        {
            CacheOf(asked).ShouldBe("fp8");
        }

        static string? CacheOf(JsonDocument inspected) =>
            inspected.RootElement.GetProperty("memory").GetProperty("kv_cache").GetProperty("dtype").GetString();

        CliResult refused = await CliCall.RunAsync("generate", "x", "--model", output, "--quantization", "int4");
        refused.Code.ShouldBe(2);
        refused.Error.ShouldContain("quantized already");
    }

    /// <summary>Ctrl-C, to the process itself: nothing under the name, and the same command goes on.</summary>
    [Fact]
    public async Task Quantize_Interrupted_LeavesNoDirectoryAndGoesOn()
    {
        using TalesVariant model = new TalesVariant().WithLayers(3);
        string output = Path.Combine(_folder, "out"),
            first = Path.Combine(output + ".partial", "model-00001-of-00004.safetensors");
        string[] command =
            [
                "quantize", model.Path, "--scheme", "int4-weight", "--method", "gptq", "--samples", "4", "--output",
                output
            ];

        CliResult stopped = await CliProcess.InterruptWhenAsync(() => File.Exists(first), command);

        stopped.Code.ShouldBe(130, stopped.Error);
        stopped.Error.ShouldContain("the same command goes on from");
        Directory.Exists(output).ShouldBeFalse();
        Directory.GetFiles(output + ".partial", "*.tmp").ShouldBeEmpty();
        int done = Directory.GetFiles(output + ".partial", "model-*.safetensors").Length;
        done.ShouldBeInRange(1, 2);
        DateTime written = File.GetLastWriteTimeUtc(first);

        CliResult resumed = await CliProcess.RunAsync(command);

        resumed.Code.ShouldBe(0, resumed.Error);
        Directory.Exists(output + ".partial").ShouldBeFalse();
        File.GetLastWriteTimeUtc(Path.Combine(output, Path.GetFileName(first))).ShouldBe(written);
    }

    /// <summary>
    /// Models that differ in nothing but the number of their layers: what they take more is what their files have more,
    /// for files are mapped, and a layer or two. Kept as float32 it would be three times as much.
    /// </summary>
    [Theory]
    [InlineData("--method", "gptq")]
    [InlineData("--max-quality-loss", "90%")]
    public async Task Quantize_MoreLayers_TakeNoMoreMemoryThanTheirFile(params string[] how)
    {
        (long few, long fewBytes) = await PeakAsync(6, how);
        (long many, long manyBytes) = await PeakAsync(26, how);

        (many - few).ShouldBeLessThan(
            (long)(1.7 * (manyBytes - fewBytes)), $"{few} bytes with 6 layers, {many} with 26");
    }

    private async Task<(long Peak, long Bytes)> PeakAsync(int layers, string[] how)
    {
        string model = Directory.CreateDirectory(Path.Combine(_folder, $"layers-{layers}")).FullName;
        long bytes = RandomDirectory.Write(model, layers, width: 256);
        // The peak is a process's.
        CliResult result = await CliProcess.RunAsync(
            ["quantize", model, "--scheme", "int4-weight", "--samples", "2", "--sample-length", "16", "--output", model
                + "-out", .. how]);
        result.Code.ShouldBe(0, result.Error);
        string line = result.Output.Split('\n').Single(l => l.StartsWith("peak memory: ", StringComparison.Ordinal));
        ByteSize.TryParse(line["peak memory: ".Length..].Replace(" ", string.Empty), out long peak).ShouldBeTrue(line);
        return (peak, bytes);
    }

    /// <summary>What a model's files hold and nobody reads is said by every command that reads a model.</summary>
    [Fact]
    public async Task AnyCommand_ModelWithAValueThatIsNotUsed_SaysSo()
    {
        string model = Directory.CreateDirectory(Path.Combine(_folder, "model")).FullName, text = Path
            .Combine(_folder, "text.txt");
        RandomDirectory.Write(model, 1);
        await File.WriteAllTextAsync(Path.Combine(model, "generation_config.json"), """{"top_p": 7}""");
        await File.WriteAllTextAsync(text, "Once upon a time there was a fox.");
        foreach (string[] command in (string[][])
            [
                ["generate", "Once", "--model", model, "--max-tokens", "1", "--json"],
                ["eval", model, "--text", text, "--window", "16"],
                ["quantize", model, "--scheme", "fp8", "--output", model + "-fp8/"],
            ])
        {
            CliResult result = await CliCall.RunAsync(command);
            result.Code.ShouldBe(0, result.Error);
            result.Error.ShouldContain("note: generation_config.json: top_p is not used");
            result.Output.ShouldNotContain("Infinity");     // of an interval over a single document
        }
    }

    [Theory]
    [InlineData("--scheme is missing", "quantize", "--output", "x")]
    [InlineData("--output is missing", "quantize", "--scheme", "int8")]
    [InlineData("--scheme: scheme \"int3\" is not one", "quantize", "--scheme", "int3", "--output", "x")]
    [InlineData(
        "--max-quality-loss takes a percentage above 0", "quantize", "--scheme", "int4", "--output", "x",
        "--max-quality-loss", "none")]
    [InlineData(
        "--group-size does not go with fp8", "quantize", "--scheme", "fp8", "--output", "x", "--group-size", "64")]
    [InlineData(
        "--group-size: group size 100 does not work", "quantize", "--scheme", "int8", "--output", "x", "--group-size",
        "100")]
    [InlineData(
        "those that work are 16, 32, 64, 128, 256", "quantize", "--scheme", "int8", "--output", "x", "--group-size",
        "100")]
    [InlineData(
        "--damping goes with --method gptq only", "quantize", "--scheme", "int8", "--output", "x", "--damping", "0.1")]
    [InlineData(
        "--block-size goes with --method gptq only", "quantize", "--scheme", "int8", "--method", "awq", "--output", "x",
        "--block-size", "64")]
    [InlineData(
        "--smoothing-strength goes with --method smoothquant only", "quantize", "--scheme", "int8", "--output", "x",
        "--smoothing-strength", "0.3")]
    [InlineData(
        "--percentile goes with --observer percentile only", "quantize", "--scheme", "int8", "--output", "x",
        "--percentile", "99")]
    [InlineData(
        "--samples goes with a method that is calibrated", "quantize", "--scheme", "int8", "--output", "x", "--samples",
        "9")]
    [InlineData(
        "the calibration text has", "quantize", "--scheme", "int4", "--method", "gptq", "--output", "x",
        "--calibration", "SHORT")]
    [InlineData(
        "there is no text in it", "quantize", "--scheme", "int4", "--method", "gptq", "--output", "x", "--calibration",
        "EMPTY")]
    [InlineData("--stride must be at least 1 and less than the window", "eval", "--stride", "512")]
    [InlineData("--window must be between 2 and the model's 512 positions", "eval", "--window", "1024")]
    [InlineData("there is no text in it", "eval", "--text", "EMPTY")]
    public async Task BadInput_AnyOfIt_IsRefusedByNameAndNothingIsWritten(string problem, params string[] args)
    {
        string shortText = Path.Combine(_folder, "short.txt"), empty = Path.Combine(_folder, "empty.txt"), output = Path
            .Combine(_folder, "x");
        await File.WriteAllTextAsync(shortText, "Once.");
        await File.WriteAllTextAsync(empty, string.Empty);

        CliResult result = await CliCall.RunAsync(
            [.. args.Select(a => a switch { "SHORT" => shortText, "EMPTY" => empty, "x" => output, _ => a })]);

        result.Code.ShouldBe(2);
        result.Error.ShouldContain(problem);
        Directory.GetFileSystemEntries(_folder).Length.ShouldBe(2);
    }
}
