using System.Globalization;
using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Lab.Measuring;
using Spectre.Console;

namespace Octavo.Cli.Bench;

/// <summary>What <c>octavo bench model</c> found, as tables and as JSON.</summary>
/// <param name="Subject">What was measured.</param>
/// <param name="Ceilings">What the machine can do.</param>
/// <param name="Models">The figures of each scheme.</param>
internal sealed record BenchModelReport(
    BenchSubject Subject, MachineCeilings Ceilings, IReadOnlyList<ModelFigures> Models)
{
    private const double MiB = 1 << 20;

    /// <summary>Writes tables for people.</summary>
    public void WriteTables(IAnsiConsole console)
    {
        console.Write(BenchOutput.MachineTable(Ceilings));
        foreach (ModelFigures model in Models)
        {
            WriteTable(console, model);
        }

        if (Models.Count > 1)
        {
            console.Write(Comparison());
        }
    }

    /// <summary>One JSON object.</summary>
    public string ToJson() => BenchOutput.ToJson(Subject, Ceilings, json =>
    {
        json.WriteStartArray("models");
        foreach (ModelFigures model in Models)
        {
            WriteModel(json, model);
        }

        json.WriteEndArray();
    });

    private void WriteTable(IAnsiConsole console, ModelFigures model)
    {
        Table table = new Table
        {
            Title = new TableTitle(
                $"{Subject}, weights {model.Scheme} ({Figures.Number(model.WeightBytes / MiB, 0)} MiB), "
                + $"cache {model.CacheName}, {model.Options.Drawing}"),
            Caption = new TableTitle("bandwidth: of the read bandwidth measured just before and behind the step; "
                + "operations: of the peak of the weights' instruction; others: what other processes and the host of "
                + $"this machine had of it, above {Figures.Percent(Disturbance.Limit)} (!) the figure is not to be "
                + "trusted"),
        }.AddColumns(
            "step", "sequences", "context", "tokens/s", "ms a step", "bandwidth, weights",
            "bandwidth, weights and cache", "operations", "others");
        foreach (StepMeasurement step in model.Steps)
        {
            table.AddRow(
                step.Phase,
                Integer(step.Sequences),
                Integer(step.Context),
                Figures.Number(step.TokensPerSecond, 1),
                Figures.Number(step.Seconds * 1e3, 2),
                Figures.Percent(step.WeightBytesPerSecond / step.ReadBandwidth),
                Figures.Percent(step.BytesPerSecond / step.ReadBandwidth),
                Figures.Percent(step.OperationsPerSecond / Peak(model)),
                Others(step.Disturbance));
        }

        console.Write(table);
        foreach (SkippedStep step in model.Skipped)
        {
            console.WriteLine(
                $"skipped: decode of {step.Sequences} sequences with {step.Context} tokens behind each, whose keys "
                + "and values take "
                + $"{Figures.Number(step.CacheBytes / MiB, 0)} MiB: more memory than there is beside the weights");
        }
    }

    private Table Comparison()
    {
        ModelFigures first = Models[0];
        Table table = new Table { Title = new TableTitle($"tokens/s, and over {first.Scheme}") }
            .AddColumns(["step", "sequences", "context", .. Models.Select(m => m.Scheme)]);
        foreach (StepMeasurement step in first.Steps)
        {
            table.AddRow(
            [
                step.Phase,
                Integer(step.Sequences),
                Integer(step.Context),
                .. Models.Select(m => m.Find(step) is { } other
                    ? $"{Figures.Number(other.TokensPerSecond, 1)} "
                        + $"({Figures.Number(other.TokensPerSecond / step.TokensPerSecond, 2)})"
                    : "skipped"),
            ]);
        }

        return table;
    }

    private void WriteModel(Utf8JsonWriter json, ModelFigures model)
    {
        json.WriteStartObject();
        json.WriteString("scheme", model.Scheme);
        json.WriteString("quantize_head", model.Head.ToString().ToLowerInvariant());
        json.WriteString("kv_cache_dtype", model.CacheName);
        json.WriteString("sampling", model.Options.Sampling);
        json.WriteNumber("weight_bytes", model.WeightBytes);
        json.WriteNumber("peak_operations_per_second", Peak(model));
        json.WriteStartArray("steps");
        foreach (StepMeasurement step in model.Steps)
        {
            WriteStep(json, step, Peak(model));
        }

        json.WriteEndArray();
        json.WriteStartArray("skipped");
        foreach (SkippedStep step in model.Skipped)
        {
            json.WriteStartObject();
            json.WriteNumber("sequences", step.Sequences);
            json.WriteNumber("context", step.Context);
            json.WriteNumber("cache_bytes", step.CacheBytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private double Peak(ModelFigures model) => ModelBenchmark.PeakFor(model.Options.Weights, Ceilings);

    private static string Others(Disturbance? disturbance) => disturbance is { } d
        ? Figures.Percent(d.Others + d.Stolen) + (d.IsSmall ? string.Empty : " !")
        : "not known";

    private static string Integer(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static void WriteStep(Utf8JsonWriter json, StepMeasurement step, double peak)
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
        json.WriteNumber("fraction_of_peak", step.OperationsPerSecond / peak);
        if (step.Disturbance is { } disturbance)
        {
            json.WriteNumber("others_fraction", disturbance.Others);
            json.WriteNumber("steal_fraction", disturbance.Stolen);
            json.WriteBoolean("trusted", disturbance.IsSmall);
        }

        json.WriteEndObject();
    }
}
