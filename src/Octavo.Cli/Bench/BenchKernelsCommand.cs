using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Formats;
using Octavo.Lab.Measuring;
using Spectre.Console;

namespace Octavo.Cli.Bench;

/// <summary><c>octavo bench kernels</c>: each linear kernel beside the ceilings of this machine.</summary>
internal sealed class BenchKernelsCommand
{
    private readonly BenchArguments _arguments = new();

    private readonly Option<int> _scheme = OptionKinds.Choice(
        "--scheme", "How the weights are stored.", [("all", 0), .. WeightScheme.Names.Select((s, i) => (s, i + 1))]);

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new BenchKernelsCommand();
        var command = new Command(
            "kernels",
            "Time each linear kernel at several batch sizes, beside the ceilings of this machine, measured in the "
                + "same run.")
        {
            it._scheme,
        };
        it._arguments.AddTo(command);
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        int? threads = _arguments.Threads(result);
        ModelShape shape = _arguments.Shape(result);
        MachineCeilings ceilings = MachineCeilings.Measure(threads);
        List<KernelMeasurement> measurements = [];
        foreach (WeightScheme scheme in Schemes(result.GetValue(_scheme)))
        {
            KernelBenchmark.Measure(shape, scheme, ceilings.Threads, m =>
            {
                measurements.Add(m);
                ProgressLine.Show($"{m.Kernel}, {m.Rows} rows");
            });
        }

        // A second look: on a machine that others use, too, the higher one is nearer to the truth.
        ceilings = ceilings.Or(MachineCeilings.Measure(threads));
        ProgressLine.Show(string.Empty);
        if (_arguments.Json(result))
        {
            BenchOutput.WriteJson(BenchSubject.Of(shape), ceilings, json => WriteKernels(json, ceilings, measurements));
        }
        else
        {
            WriteTables(shape, ceilings, measurements);
        }

        return ExitCode.Success;
    }

    private static IEnumerable<WeightScheme> Schemes(int chosen) =>
        (chosen == 0 ? WeightScheme.Names : [WeightScheme.Names[chosen - 1]]).Select(ModelPlan.SchemeNamed);

    private static void WriteTables(ModelShape shape, MachineCeilings ceilings, List<KernelMeasurement> measurements)
    {
        IAnsiConsole console = Tables.Console();
        console.Write(BenchOutput.MachineTable(ceilings));
        Table table = new Table { Title = new TableTitle($"linear kernels, shape {shape.Name}") }
            .AddColumns("kernel", "rows", "µs", "GB/s", "GFLOPS", "of ceiling");
        foreach (KernelMeasurement m in measurements)
        {
            table.AddRow(
                m.Kernel,
                m.Rows.ToString(CultureInfo.InvariantCulture),
                Figures.Number(m.Seconds * 1e6, 1),
                Figures.Number(m.BytesPerSecond / 1e9, 1),
                Figures.Number(m.OperationsPerSecond / 1e9, 1),
                Figures.Percent(m.FractionOf(ceilings)));
        }

        console.Write(table);
        Stdio.Out.Flush();
    }

    private static void WriteKernels(
        Utf8JsonWriter json, MachineCeilings ceilings, List<KernelMeasurement> measurements)
    {
        json.WriteStartArray("kernels");
        foreach (KernelMeasurement m in measurements)
        {
            json.WriteStartObject();
            json.WriteString("kernel", m.Kernel);
            json.WriteNumber("rows", m.Rows);
            json.WriteNumber("seconds", m.Seconds);
            json.WriteNumber("bytes_per_second", m.BytesPerSecond);
            json.WriteNumber("operations_per_second", m.OperationsPerSecond);
            json.WriteNumber("fraction_of_ceiling", m.FractionOf(ceilings));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
