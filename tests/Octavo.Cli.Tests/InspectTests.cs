using System.Text.Json;
using Octavo.Cli.Inspect;
using Octavo.Formats;
using Octavo.Testing;

namespace Octavo.Cli.Tests;

public sealed class InspectTests
{
    [Fact]
    public async Task Inspect_Json_DescribesTheModelAndItsPlan()
    {
        CliResult result = await CliCall.RunAsync(
            "inspect", Repository.TalesModel, "--json", "--kv-cache-memory", "4MiB", "--max-num-seqs", "4");

        result.Code.ShouldBe(0, result.Error);
        using JsonDocument json = JsonDocument.Parse(result.Output);
        JsonElement root = json.RootElement;
        root.GetProperty("model").GetString().ShouldBe("tales");
        root.GetProperty("spec").GetProperty("num_layers").GetInt32().ShouldBe(5);
        root.GetProperty("tensors").GetArrayLength().ShouldBe(47);
        JsonElement memory = root.GetProperty("memory");
        memory.GetProperty("max_num_seqs").GetInt32().ShouldBe(4);
        JsonElement cache = memory.GetProperty("kv_cache");

        // 5 layers, keys and values, 2 heads of 64, 2 bytes each.
        cache.GetProperty("bytes_per_token").GetInt64().ShouldBe(5 * 2 * 2 * 64 * 2);
        cache.GetProperty("num_blocks").GetInt64().ShouldBe(
            (4 << 20) / cache.GetProperty("bytes_per_block").GetInt64());
        root.GetProperty("processor").GetProperty("threads").GetInt32().ShouldBe(Environment.ProcessorCount);
    }

    [Fact]
    public async Task Models_Markdown_IsThePageOfTheDocumentation()
    {
        CliResult result = await CliCall.RunAsync("models", "--markdown");

        result.Code.ShouldBe(0, result.Error);
        result.Output.ShouldBe(await File.ReadAllTextAsync(
            Path.Combine(Repository.Root!, "docs", "models.md"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Models_TableAndJson_ListTheSameFamilies()
    {
        CliResult table = await CliCall.RunAsync("models");
        using JsonDocument json = JsonDocument.Parse((await CliCall.RunAsync("models", "--json")).Output);

        foreach (JsonElement family in json.RootElement.EnumerateArray())
        {
            table.Output.ShouldContain(family.GetProperty("architecture").GetString()!);
        }
    }

    [Fact]
    public async Task Inspect_LoneConfig_SaysWhatTheModelWillTake()
    {
        string config = Path.Combine(Repository.TalesModel, "config.json");
        using JsonDocument whole =
            JsonDocument.Parse((await CliCall.RunAsync("inspect", Repository.TalesModel, "--json")).Output);
        using JsonDocument lone = JsonDocument.Parse((await CliCall.RunAsync("inspect", config, "--json")).Output);
        CliResult tables = await CliCall.RunAsync("inspect", config);

        tables.Output.ShouldContain("LlamaForCausalLM");
        long bytes = lone.RootElement.GetProperty("weight_bytes").GetProperty("int8").GetInt64();
        bytes.ShouldBe(
            whole.RootElement.GetProperty("memory").GetProperty("weight_bytes").GetProperty("int8").GetInt64());
        lone.RootElement.GetProperty("kv_cache_bytes_per_token").GetProperty("bfloat16").GetInt64()
            .ShouldBe(5 * 2 * 2 * 64 * 2);
    }

    [Fact]
    public async Task Inspect_SlidingWindows_SaysHowManyLayersHaveThem()
    {
        CliResult result = await CliCall.RunAsync("inspect", SharedData.Require("golden-hf/gemma3"));

        result.Code.ShouldBe(0, result.Error);
        result.Output.ShouldContain("3 layers over 20 tokens, 1 layer over all");
        result.Output.ShouldContain("rotary (theta 10000); rotary (theta 1000000)");
        result.Output.ShouldContain("before and after each sublayer");
    }

    [Fact]
    public async Task Inspect_NoModelNamed_ShowsTheBundledOneWithLayersFolded()
    {
        CliResult result = await CliCall.RunAsync("inspect");

        result.Code.ShouldBe(0, result.Error);
        result.Output.ShouldContain("LlamaForCausalLM");
        result.Output.ShouldContain("model.layers.{0…4}.mlp.up_proj.weight ×5");
        result.Output.ShouldNotContain('\e');

        // By the names that --quantization takes.
        Octavo.Formats.WeightScheme.Names.ShouldAllBe(
            s => result.Output.Contains($"weights in {s} ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Inspect_Tensors_ListsEveryOne()
    {
        CliResult result = await CliCall.RunAsync("inspect", "--tensors");

        result.Output.ShouldContain("model.layers.3.mlp.up_proj.weight");
        result.Output.ShouldNotContain('…');
    }

    [Fact]
    public void NaturalOrder_LayersOfOneAndTwoDigits_CountsThem()
    {
        TensorRow[] rows =
            [.. new[] { "l.10.w", "l.2.w", "l.2.b", "a" }.Select(name => new TensorRow(name, "F32", [1], 4, 1))];

        rows.Order(TensorRow.NaturalOrder).Select(r => r.Name).ShouldBe(["a", "l.2.b", "l.2.w", "l.10.w"]);
    }

    [Fact]
    public void Fold_OneLayerOfAnotherShape_KeepsItApart()
    {
        TensorRow[] rows =
        [
            new TensorRow("l.0.w", "F32", [2], 8, 1),
            new TensorRow("l.1.w", "F32", [3], 12, 1),
            new TensorRow("l.2.w", "F32", [2], 8, 1),
        ];

        TensorRow.Fold(rows).Select(r => (r.Name, r.Count, r.Bytes))
            .ShouldBe([("l.{0…2}.w", 2, 16L), ("l.1.w", 1, 12L)]);
    }
}
