using System.Globalization;
using System.Text.Json;
using Octavo.Cpu.Measuring;
using Spectre.Console;

namespace Octavo.Cli;

/// <summary>What <c>octavo bench model</c> found, as tables and as JSON.</summary>
/// <param name="Shape">The model's widths.</param>
/// <param name="Scheme">What the weights' storage is called.</param>
/// <param name="Options">What was measured.</param>
/// <param name="Ceilings">What the machine can do.</param>
/// <param name="WeightBytes">Bytes of the packed weights.</param>
/// <param name="Steps">The measurements.</param>
/// <param name="Skipped">What memory was too small for.</param>
internal sealed record BenchModelReport(
    ModelShape Shape,
    string Scheme,
    ModelBenchmarkOptions Options,
    MachineCeilings Ceilings,
    long WeightBytes,
    IReadOnlyList<StepMeasurement> Steps,
    IReadOnlyList<SkippedStep> Skipped)
{
    private const double MiB = 1 << 20;

    /// <summary>Writes tables for people.</summary>
    public void WriteTables(IAnsiConsole console)
    {
        console.Write(BenchOutput.MachineTable(Ceilings));
        Table table = new Table
        {
            Title = new TableTitle($"shape {Shape.Name}, weights {Scheme} ({BenchOutput.Number(WeightBytes / MiB, 0)} MiB), cache {CacheName}"),
            Caption = new TableTitle("bandwidth: of the read bandwidth measured just before and behind the step; operations: of the peak of the weights' instruction"),
        }.AddColumns("step", "sequences", "context", "tokens/s", "ms a step", "bandwidth, weights", "bandwidth, weights and cache", "operations");
        foreach (StepMeasurement step in Steps)
        {
            table.AddRow(
                step.Phase,
                step.Sequences.ToString(CultureInfo.InvariantCulture),
                step.Context.ToString(CultureInfo.InvariantCulture),
                BenchOutput.Number(step.TokensPerSecond, 1),
                BenchOutput.Number(step.Seconds * 1e3, 2),
                BenchOutput.Percent(step.WeightBytesPerSecond / step.ReadBandwidth),
                BenchOutput.Percent(step.BytesPerSecond / step.ReadBandwidth),
                BenchOutput.Percent(step.OperationsPerSecond / Peak));
        }

        console.Write(table);
        foreach (SkippedStep step in Skipped)
        {
            console.WriteLine(
                $"skipped: decode of {step.Sequences} sequences with {step.Context} tokens behind each, whose keys and values take "
                + $"{BenchOutput.Number(step.CacheBytes / MiB, 0)} MiB: more memory than there is beside the weights");
        }
    }

    /// <summary>One JSON object.</summary>
    public string ToJson() => BenchOutput.ToJson(Shape, Ceilings, json =>
    {
        json.WriteString("scheme", Scheme);
        json.WriteString("kv_cache_dtype", CacheName);
        json.WriteNumber("weight_bytes", WeightBytes);
        json.WriteNumber("peak_operations_per_second", Peak);
        json.WriteStartArray("steps");
        foreach (StepMeasurement step in Steps)
        {
            WriteStep(json, step);
        }

        json.WriteEndArray();
        json.WriteStartArray("skipped");
        foreach (SkippedStep step in Skipped)
        {
            json.WriteStartObject();
            json.WriteNumber("sequences", step.Sequences);
            json.WriteNumber("context", step.Context);
            json.WriteNumber("cache_bytes", step.CacheBytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    private double Peak => ModelBenchmark.PeakFor(Options.Weights, Ceilings);

    private string CacheName => Options.KvCache.ToString().ToLowerInvariant();

    private void WriteStep(Utf8JsonWriter json, StepMeasurement step)
    {
        json.WriteStartObject();
        json.WriteString("phase", step.Phase);
        json.WriteNumber("sequences", step.Sequences);
        json.WriteNumber("context", step.Context);
        json.WriteNumber("tokens", step.Tokens);
        json.WriteNumber("seconds", step.Seconds);
        json.WriteNumber("tokens_per_second", step.TokensPerSecond);
        json.WriteNumber("weight_bytes_per_second", step.WeightBytesPerSecond);
        json.WriteNumber("bytes_per_second", step.BytesPerSecond);
        json.WriteNumber("operations_per_second", step.OperationsPerSecond);
        json.WriteNumber("read_bytes_per_second", step.ReadBandwidth);
        json.WriteNumber("weight_fraction_of_bandwidth", step.WeightBytesPerSecond / step.ReadBandwidth);
        json.WriteNumber("fraction_of_bandwidth", step.BytesPerSecond / step.ReadBandwidth);
        json.WriteNumber("fraction_of_peak", step.OperationsPerSecond / Peak);
        json.WriteEndObject();
    }
}
