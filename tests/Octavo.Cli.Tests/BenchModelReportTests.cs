using System.Text.Json;
using Octavo.Cli.Bench;
using Octavo.Cpu.Cache;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Lab.Measuring;

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

    private static readonly ModelFigures BFloat16 = new(
        "bf16",
        HeadQuantization.Auto,
        new ModelBenchmarkOptions { Weights = WeightScheme.BFloat16, KvCache = KvCacheFormat.BFloat16 },
        WeightBytes: 1_000_000,
        [new StepMeasurement(
            "decode", Sequences: 4, Context: 128, Tokens: 4, Seconds: 0.001, WeightBytes: 1_000_000,
            CacheBytes: 3_000_000, Operations: 50_000_000) { ReadBandwidth = 20e9 }],
        [new SkippedStep(64, 4096, 1L << 40)]);

    private static readonly BenchModelReport Report = new(BenchSubject.Of(ModelShape.All[0]), Ceilings, [BFloat16]);

    [Fact]
    public void ToJson_Step_HasRatesAndFractionsOfTheCeilings()
    {
        using JsonDocument document = JsonDocument.Parse(Report.ToJson());
        JsonElement root = document.RootElement;

        root.GetProperty("shape").GetString().ShouldBe("135m");
        root.GetProperty("threads").GetInt32().ShouldBe(2);
        root.GetProperty("ceilings").GetProperty("int8_operations_per_second").ValueKind.ShouldBe(JsonValueKind.Null);
        JsonElement model = root.GetProperty("models").EnumerateArray().ShouldHaveSingleItem();
        model.GetProperty("scheme").GetString().ShouldBe("bf16");
        model.GetProperty("quantize_head").GetString().ShouldBe("auto");
        model.GetProperty("kv_cache_dtype").GetString().ShouldBe("bfloat16");
        model.GetProperty("sampling").ValueKind.ShouldBe(JsonValueKind.Null);
        model.GetProperty("peak_operations_per_second").GetDouble().ShouldBe(200e9);
        JsonElement step = model.GetProperty("steps").EnumerateArray().ShouldHaveSingleItem();
        step.GetProperty("phase").GetString().ShouldBe("decode");
        step.GetProperty("sequences").GetInt32().ShouldBe(4);
        step.GetProperty("context").GetInt32().ShouldBe(128);
        step.GetProperty("seconds").GetDouble().ShouldBe(0.001);
        step.GetProperty("tokens_per_second").GetDouble().ShouldBe(4000, 1e-6);
        step.GetProperty("weight_fraction_of_bandwidth").GetDouble().ShouldBe(1e9 / 20e9, 1e-9);
        step.GetProperty("fraction_of_bandwidth").GetDouble().ShouldBe(4e9 / 20e9, 1e-9);
        step.GetProperty("fraction_of_peak").GetDouble().ShouldBe(50e9 / 200e9, 1e-9);
        model.GetProperty("skipped")[0].GetProperty("cache_bytes").GetInt64().ShouldBe(1L << 40);
    }

    [Fact]
    public void WriteTables_StepsAndSkipped_StandInThem()
    {
        string text = Tables(Report);

        text.ShouldContain("4,000.0");
        text.ShouldContain("skipped: decode of 64 sequences with 4096 tokens behind each");
        text.ShouldNotContain("and over bf16");
        text.ShouldContain("nothing drawn");
    }

    [Fact]
    public void WriteTables_TwoSchemes_AreComparedWithTheFirst()
    {
        ModelFigures twice = BFloat16 with { Scheme = "int8", Steps = [BFloat16.Steps[0] with { Seconds = 0.0004 }] };
        ModelFigures none = BFloat16 with { Scheme = "int4", Steps = [] };
        string text = Tables(Report with { Models = [BFloat16, twice, none] });

        text.ShouldContain("tokens/s, and over bf16");
        text.ShouldContain("4,000.0 (1.00)");
        text.ShouldContain("10,000.0 (2.50)");
        text.ShouldContain("skipped");
    }

    private static string Tables(BenchModelReport report)
    {
        using var text = new StringWriter();
        var console = Spectre.Console.AnsiConsole.Create(
            new Spectre.Console.AnsiConsoleSettings { Out = new Spectre.Console.AnsiConsoleOutput(text) });
        console.Profile.Width = 200;
        report.WriteTables(console);
        return text.ToString();
    }
}
