using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Formats;
using Octavo.Lab;
using Octavo.Lab.Measuring;
using Spectre.Console;

namespace Octavo.Cli.Bench;

/// <summary>
/// <c>octavo bench contention</c>: steps beside busy loops, and beside another Octavo, that want the same processors.
/// </summary>
internal sealed class BenchContention
{
    private readonly BenchArguments _arguments = new();

    private readonly Option<int> _scheme = OptionKinds.Choice(
        "--scheme", "How the weights are stored.", [.. WeightScheme.Names.Select((s, i) => (s, i))]);

    private readonly Option<int?> _batch =
        OptionKinds.Integer("--batch", "Sequences that decode at once, each with 128 tokens behind it. [default: 1]");

    private readonly Option<IReadOnlyList<int>?> _loops = OptionKinds.Integers(
        "--loops", "Busy loops beside it, one measurement for each number. [default: 0,1,2,4]");

    private readonly Option<int?> _seconds =
        OptionKinds.Integer("--seconds", "How long each figure is measured. [default: 5]");

    private readonly Option<bool> _noNeighbour =
        OptionKinds.Switch("--no-neighbour", "Leave out the measurement beside a second Octavo.");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new BenchContention();
        var command = new Command(
            "contention",
            "Time decode steps of a model with random weights beside busy loops, and beside another Octavo that "
                + "does the same, against the steps of the same process alone.")
        {
            it._scheme, it._batch, it._loops, it._seconds, it._noNeighbour,
        };
        it._arguments.AddTo(command);
        command.SetAction((result, cancellation) => it.RunAsync(result, cancellation));
        return command;
    }

    private async Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken)
    {
        string scheme = WeightScheme.Names[result.GetValue(_scheme)];
        WeightScheme weights = ModelPlan.SchemeNamed(scheme);
        int batch = result.GetValue(_batch) ?? 1;
        IReadOnlyList<int> loops = result.GetValue(_loops) ?? [0, 1, 2, 4];
        int seconds = result.GetValue(_seconds) ?? 5;
        UsageException.ThrowIf(batch is < 1 or > 4096, $"--batch must be between 1 and 4096; it is {batch}");
        UsageException.ThrowIf(seconds is < 1 or > 600, $"--seconds must be between 1 and 600; it is {seconds}");
        UsageException.ThrowIf(loops.Any(k => k is < 0 or > 1024), "--loops must be between 0 and 1024");
        ModelShape shape = _arguments.Shape(result);
        var options = new ModelBenchmarkOptions
        {
            Weights = weights,
            KvCache = ModelPlan.DefaultKvCache(weights),
            Threads = _arguments.Threads(result),
            Batches = [batch],
            Contexts = [128],
        };
        ProgressLine.Show($"making the model, shape {shape.Name}");
        using var benchmark = new ContentionBenchmark(shape, options, TimeSpan.FromSeconds(seconds));
        List<ContentionMeasurement> measurements = [];
        foreach (int k in loops)
        {
            ProgressLine.Show($"beside {k} busy loops");
            measurements.Add(benchmark.Measure(k));
        }

        Neighbours? neighbours = null;
        if (!result.GetValue(_noNeighbour))
        {
            ProgressLine.Show("beside another Octavo");
            neighbours = await BesideAsync(
                benchmark, shape, scheme, batch, seconds, options.Threads, cancellationToken).ConfigureAwait(false);
        }

        ProgressLine.Show(string.Empty);
        Write(shape, scheme, batch, measurements, neighbours, _arguments.Json(result));
        return ExitCode.Success;
    }

    /// <summary>
    /// Runs this command once more, as a process of its own, and steps all the time that it measures.
    /// </summary>
    private static async Task<Neighbours> BesideAsync(
        ContentionBenchmark benchmark, ModelShape shape, string scheme, int batch, int seconds, int? threads,
        CancellationToken cancellationToken)
    {
        double alone = benchmark.Measure(0).Rate;
        using Process other = OwnProcess.Start(
        [
            "bench", "contention", "--shape", shape.Name, "--scheme", scheme, "--loops", "0", "--no-neighbour",
            "--json",
            "--batch", batch.ToString(CultureInfo.InvariantCulture),
            "--seconds", seconds.ToString(CultureInfo.InvariantCulture),
            .. threads is { } n ? ["--threads", n.ToString(CultureInfo.InvariantCulture)] : Array.Empty<string>(),
        ]);
        string json;
        Func<DateTimeOffset, DateTimeOffset, int> count;
        try
        {
            Task<string> output = other.StandardOutput.ReadToEndAsync(cancellationToken);
            count = benchmark.CountUntil(output);
            json = await output.ConfigureAwait(false);
            await other.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (!other.HasExited)
            {
                other.Kill();
            }
        }

        if (other.ExitCode != ExitCode.Success)
        {
            throw new InvalidOperationException(
                $"the other Octavo ended with exit code {other.ExitCode}, and has said why above");
        }

        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement measured = document.RootElement.GetProperty("contention")[0];
        DateTimeOffset began = measured.GetProperty("began").GetDateTimeOffset();
        DateTimeOffset ended = measured.GetProperty("ended").GetDateTimeOffset();
        return new Neighbours(
            alone,
            count(began, ended) / (ended - began).TotalSeconds,
            measured.GetProperty("steps_per_second").GetDouble());
    }

    private static void Write(
        ModelShape shape, string scheme, int batch, List<ContentionMeasurement> measurements, Neighbours? neighbours,
        bool json)
    {
        if (json)
        {
            Stdio.Out.WriteLine(JsonText.Of(writer =>
                WriteJson(writer, shape, scheme, batch, measurements, neighbours)));
        }
        else
        {
            WriteTable(shape, scheme, batch, measurements, neighbours);
        }

        Stdio.Out.Flush();
    }

    private static void WriteTable(
        ModelShape shape, string scheme, int batch, List<ContentionMeasurement> measurements, Neighbours? neighbours)
    {
        int processors = Environment.ProcessorCount;
        Table table = new Table
        {
            Title = new TableTitle($"decode of {batch}, shape {shape.Name}, weights {scheme}, {processors} processors"),
            Caption = new TableTitle(
                "fair: what sharing the processors evenly would cost; alone is measured before each"),
        }.AddColumns("busy loops", "ms alone", "ms beside them", "slowdown", "fair", "p99 ms", "p99 over the median");
        foreach (ContentionMeasurement m in measurements)
        {
            table.AddRow(
                m.Loops.ToString(CultureInfo.InvariantCulture),
                Figures.Number(m.Alone * 1e3, 2),
                Figures.Number(m.Median * 1e3, 2),
                Figures.Number(m.Slowdown, 2),
                Figures.Number(m.FairSlowdown(processors), 2),
                Figures.Number(m.Percentile99 * 1e3, 2),
                Figures.Number(m.Percentile99 / m.Median, 2));
        }

        IAnsiConsole console = Tables.Console();
        console.Write(table);
        if (neighbours is { } both)
        {
            console.WriteLine(
                $"beside another Octavo: {Figures.Percent(both.Own / both.Alone)} and "
                + $"{Figures.Percent(both.Other / both.Alone)} of the steps a second that one makes alone");
        }
    }

    private static void WriteJson(
        Utf8JsonWriter json, ModelShape shape, string scheme, int batch, List<ContentionMeasurement> measurements,
        Neighbours? neighbours)
    {
        json.WriteString("shape", shape.Name);
        json.WriteString("scheme", scheme);
        json.WriteNumber("batch", batch);
        json.WriteNumber("processors", Environment.ProcessorCount);
        json.WriteString("instruction_set", ThisMachine.Kernels);
        json.WriteStartArray("contention");
        foreach (ContentionMeasurement m in measurements)
        {
            json.WriteStartObject();
            json.WriteNumber("loops", m.Loops);
            json.WriteNumber("seconds_alone", m.Alone);
            json.WriteNumber("seconds", m.Median);
            json.WriteNumber("seconds_p99", m.Percentile99);
            json.WriteNumber("slowdown", m.Slowdown);
            json.WriteNumber("fair_slowdown", m.FairSlowdown(Environment.ProcessorCount));
            json.WriteString("began", m.Began);
            json.WriteString("ended", m.Ended);
            json.WriteNumber("steps_per_second", m.Rate);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (neighbours is { } both)
        {
            json.WriteStartObject("beside_another");
            json.WriteNumber("steps_per_second_alone", both.Alone);
            json.WriteNumber("steps_per_second", both.Own);
            json.WriteNumber("steps_per_second_other", both.Other);
            json.WriteEndObject();
        }
    }

    /// <summary>Two processes beside each other, in steps a second.</summary>
    /// <param name="Alone">What one makes alone.</param>
    /// <param name="Own">What this one made beside the other.</param>
    /// <param name="Other">What the other made.</param>
    private readonly record struct Neighbours(double Alone, double Own, double Other);
}
