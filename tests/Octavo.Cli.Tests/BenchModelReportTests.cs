using System.Text.Json;
using Octavo.Cpu.Kernels;
using Octavo.Cpu.Measuring;

namespace Octavo.Cli.Tests;

public sealed class BenchModelReportTests
{
    private static readonly MachineCeilings Ceilings = new()
    {
        Threads = 2,
        ReadBandwidth = 40e9,
        Float32Peak = 100e9,
        BFloat16Peak = 200e9,
    };

    private static readonly BenchModelReport Report = new(
        ModelShape.All[0],
        "bf16",
        new ModelBenchmarkOptions { Weights = WeightFormat.BFloat16, KvCache = KvCacheFormat.BFloat16 },
        Ceilings,
        WeightBytes: 1_000_000,
        [new StepMeasurement("decode", Sequences: 4, Context: 128, Tokens: 4, Seconds: 0.001, WeightBytes: 1_000_000, CacheBytes: 3_000_000, Operations: 50_000_000) { ReadBandwidth = 20e9 }],
        [new SkippedStep(64, 4096, 1L << 40)]);

    [Fact]
    public void ToJson_Step_HasRatesAndFractionsOfTheCeilings()
    {
        using JsonDocument document = JsonDocument.Parse(Report.ToJson());
        JsonElement root = document.RootElement;

        root.GetProperty("shape").GetString().ShouldBe("135m");
        root.GetProperty("scheme").GetString().ShouldBe("bf16");
        root.GetProperty("kv_cache_dtype").GetString().ShouldBe("bfloat16");
        root.GetProperty("threads").GetInt32().ShouldBe(2);
        root.GetProperty("ceilings").GetProperty("int8_operations_per_second").ValueKind.ShouldBe(JsonValueKind.Null);
        root.GetProperty("peak_operations_per_second").GetDouble().ShouldBe(200e9);
        JsonElement step = root.GetProperty("steps").EnumerateArray().ShouldHaveSingleItem();
        step.GetProperty("phase").GetString().ShouldBe("decode");
        step.GetProperty("sequences").GetInt32().ShouldBe(4);
        step.GetProperty("context").GetInt32().ShouldBe(128);
        step.GetProperty("seconds").GetDouble().ShouldBe(0.001);
        step.GetProperty("tokens_per_second").GetDouble().ShouldBe(4000, 1e-6);
        step.GetProperty("weight_fraction_of_bandwidth").GetDouble().ShouldBe(1e9 / 20e9, 1e-9);
        step.GetProperty("fraction_of_bandwidth").GetDouble().ShouldBe(4e9 / 20e9, 1e-9);
        step.GetProperty("fraction_of_peak").GetDouble().ShouldBe(50e9 / 200e9, 1e-9);
        root.GetProperty("skipped")[0].GetProperty("cache_bytes").GetInt64().ShouldBe(1L << 40);
    }

    [Fact]
    public void WriteTables_StepsAndSkipped_StandInThem()
    {
        using var text = new StringWriter();
        var console = Spectre.Console.AnsiConsole.Create(new Spectre.Console.AnsiConsoleSettings { Out = new Spectre.Console.AnsiConsoleOutput(text) });
        console.Profile.Width = 200;
        Report.WriteTables(console);

        text.ToString().ShouldContain("4,000.0");
        text.ToString().ShouldContain("skipped: decode of 64 sequences with 4096 tokens behind each");
    }
}
