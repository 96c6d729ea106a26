using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Octavo.Cpu;
using Octavo.Cpu.Kernels;
using Octavo.Cpu.Measuring;
using Spectre.Console;

namespace Octavo.Cli;

/// <summary><c>octavo bench</c>: how fast this machine is, and how near to it the kernels come.</summary>
internal sealed class BenchCommand
{
    private readonly Option<int> _shape = OptionKinds.Choice(
        "--shape", "The model whose matrices are measured, with random weights.", [.. ModelShape.All.Select((s, i) => (s.Name, i))]);

    private readonly Option<int?> _threads = OptionKinds.Integer("--threads", "Threads that share the work. [default: one a processor]");
    private readonly Option<bool> _json = OptionKinds.Switch("--json", "Print one JSON object.");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new BenchCommand();
        var kernels = new Command(
            "kernels", "Time each linear kernel at several batch sizes, beside the ceilings of this machine, measured in the same run.")
        {
            it._shape, it._threads, it._json,
        };
        kernels.SetAction(it.RunKernels);
        return new Command("bench", "Measure this machine and the kernels.") { kernels, BenchAttention.Make() };
    }

    private int RunKernels(ParseResult result)
    {
        int? threads = result.GetValue(_threads);
        if (threads is < 1 or > 1024)
        {
            throw new UsageException($"--threads must be between 1 and 1024; it is {threads}");
        }

        ModelShape shape = ModelShape.All[result.GetValue(_shape)];
        MachineCeilings ceilings = MachineCeilings.Measure(threads);
        List<KernelMeasurement> measurements = [];
        foreach (WeightFormat format in Enum.GetValues<WeightFormat>())
        {
            KernelBenchmark.Measure(shape, format, ceilings.Threads, m =>
            {
                measurements.Add(m);
                Terminal.Error.Write(Console.IsErrorRedirected ? string.Empty : $"\r{m.Kernel}, {m.Rows} rows …          ");
            });
        }

        // A second look: on a machine that others use, too, the higher one is nearer to the truth.
        ceilings = ceilings.Or(MachineCeilings.Measure(threads));
        Terminal.Error.Write(Console.IsErrorRedirected ? string.Empty : "\r" + new string(' ', 60) + "\r");
        if (result.GetValue(_json))
        {
            WriteJson(shape, ceilings, measurements);
        }
        else
        {
            WriteTables(shape, ceilings, measurements);
        }

        return ExitCode.Success;
    }

    private static void WriteTables(ModelShape shape, MachineCeilings ceilings, List<KernelMeasurement> measurements)
    {
        IAnsiConsole console = InspectTables.Console();
        Table machine = new Table { Title = new TableTitle($"this machine, {ceilings.Threads} threads"), ShowHeaders = false }.AddColumns("what", "rate");
        machine.AddRow("read bandwidth", Giga(ceilings.ReadBandwidth, "GB/s"));
        machine.AddRow("float32 multiply-add", Giga(ceilings.Float32Peak, "GFLOPS"));
        machine.AddRow("bfloat16 dot product", ceilings.BFloat16Peak is { } wide ? Giga(wide, "GFLOPS") : "not there");
        machine.AddRow("int8 dot product", ceilings.Int8Peak is { } bytes ? Giga(bytes, "GOPS") : "not there");
        machine.AddRow("kernels", ProcessorFeatures.Selected.ToString().ToLowerInvariant());
        console.Write(machine);

        Table table = new Table { Title = new TableTitle($"linear kernels, shape {shape.Name}") }.AddColumns("kernel", "rows", "µs", "GB/s", "GFLOPS", "of ceiling");
        foreach (KernelMeasurement m in measurements)
        {
            table.AddRow(
                m.Kernel,
                m.Rows.ToString(CultureInfo.InvariantCulture),
                (m.Seconds * 1e6).ToString("N1", CultureInfo.InvariantCulture),
                (m.BytesPerSecond / 1e9).ToString("N1", CultureInfo.InvariantCulture),
                (m.OperationsPerSecond / 1e9).ToString("N1", CultureInfo.InvariantCulture),
                m.FractionOf(ceilings).ToString("P0", CultureInfo.InvariantCulture));
        }

        console.Write(table);
        Terminal.Out.Flush();
    }

    private static void WriteJson(ModelShape shape, MachineCeilings ceilings, List<KernelMeasurement> measurements)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("shape", shape.Name);
            json.WriteNumber("threads", ceilings.Threads);
            json.WriteString("instruction_set", ProcessorFeatures.Selected.ToString().ToLowerInvariant());
            json.WriteStartObject("ceilings");
            json.WriteNumber("read_bytes_per_second", ceilings.ReadBandwidth);
            json.WriteNumber("float32_operations_per_second", ceilings.Float32Peak);
            WritePeak(json, "bfloat16_operations_per_second", ceilings.BFloat16Peak);
            WritePeak(json, "int8_operations_per_second", ceilings.Int8Peak);
            json.WriteEndObject();
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
            json.WriteEndObject();
        }

        Terminal.Out.WriteLine(Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length)));
        Terminal.Out.Flush();
    }

    private static void WritePeak(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, number);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    private static string Giga(double rate, string unit) => (rate / 1e9).ToString("N0", CultureInfo.InvariantCulture) + " " + unit;
}
