using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Engine;
using Octavo.Lab.Measuring;
using Spectre.Console;

namespace Octavo.Cli.Bench;

/// <summary><c>octavo bench attention</c>: attention over a paged cache, beside the ceilings of this machine.</summary>
internal sealed class BenchAttention
{
    private readonly BenchArguments _arguments = new(
        "The model whose heads are measured, with random keys and values.");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new BenchAttention();
        var command = new Command(
            "attention", "Time attention of one layer, decoding and prefill, with each type of cache, beside the ceilings of this machine, measured in the same run.");
        it._arguments.AddTo(command);
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        int? threads = _arguments.Threads(result);
        ModelShape shape = _arguments.Shape(result);
        MachineCeilings ceilings = MachineCeilings.Measure(threads);
        List<AttentionMeasurement> measurements = [];
        foreach (KvCacheFormat format in Enum.GetValues<KvCacheFormat>())
        {
            AttentionBenchmark.Measure(shape, format, ceilings.Threads, m =>
            {
                measurements.Add(m);
                Stdio.Error.Write(!Stdio.ErrorIsTerminal ? string.Empty : $"\r{Name(m)} …          ");
            });
        }

        // A second look: on a machine that others use, too, the higher one is nearer to the truth.
        ceilings = ceilings.Or(MachineCeilings.Measure(threads));
        Stdio.Error.Write(!Stdio.ErrorIsTerminal ? string.Empty : "\r" + new string(' ', 60) + "\r");
        if (_arguments.Json(result))
        {
            WriteJson(shape, ceilings, measurements);
        }
        else
        {
            WriteTable(shape, ceilings, measurements);
        }

        return ExitCode.Success;
    }

    private static string Name(AttentionMeasurement m) => m.Tokens == 1
        ? $"{SettingNames.Of(m.Format)} decode, batch {m.Sequences}, context {m.Context}{(m.Disordered ? ", blocks in disorder" : string.Empty)}"
        : $"{SettingNames.Of(m.Format)} prefill {m.Tokens}, context {m.Context}";

    private static void WriteTable(ModelShape shape, MachineCeilings ceilings, List<AttentionMeasurement> measurements)
    {
        string title = $"attention of one layer, shape {shape.Name}; {ceilings.Threads} threads read {ceilings.ReadBandwidth / 1e9:N0} GB/s "
            + $"and multiply-add {ceilings.Float32Peak / 1e9:N0} GFLOPS";
        Table table = new Table { Title = new TableTitle(title) }
            .AddColumns("step", "µs", "GB/s", "of bandwidth", "GFLOPS", "of float32 peak");
        foreach (AttentionMeasurement m in measurements)
        {
            table.AddRow(
                Name(m),
                (m.Seconds * 1e6).ToString("N1", CultureInfo.InvariantCulture),
                (m.BytesPerSecond / 1e9).ToString("N1", CultureInfo.InvariantCulture),
                (m.BytesPerSecond / ceilings.ReadBandwidth).ToString("P0", CultureInfo.InvariantCulture),
                (m.OperationsPerSecond / 1e9).ToString("N1", CultureInfo.InvariantCulture),
                (m.OperationsPerSecond / ceilings.Float32Peak).ToString("P0", CultureInfo.InvariantCulture));
        }

        Tables.Console().Write(table);
        Stdio.Out.Flush();
    }

    private static void WriteJson(ModelShape shape, MachineCeilings ceilings, List<AttentionMeasurement> measurements)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("shape", shape.Name);
            json.WriteNumber("threads", ceilings.Threads);
            json.WriteString("instruction_set", ThisMachine.Kernels);
            json.WriteNumber("read_bytes_per_second", ceilings.ReadBandwidth);
            json.WriteNumber("float32_operations_per_second", ceilings.Float32Peak);
            json.WriteStartArray("attention");
            foreach (AttentionMeasurement m in measurements)
            {
                json.WriteStartObject();
                json.WriteString("kv_cache_dtype", SettingNames.Of(m.Format));
                json.WriteNumber("sequences", m.Sequences);
                json.WriteNumber("tokens", m.Tokens);
                json.WriteNumber("context", m.Context);
                json.WriteBoolean("disordered", m.Disordered);
                json.WriteNumber("seconds", m.Seconds);
                json.WriteNumber("bytes_per_second", m.BytesPerSecond);
                json.WriteNumber("operations_per_second", m.OperationsPerSecond);
                json.WriteNumber("fraction_of_bandwidth", m.BytesPerSecond / ceilings.ReadBandwidth);
                json.WriteNumber("fraction_of_float32_peak", m.OperationsPerSecond / ceilings.Float32Peak);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        Stdio.Out.WriteLine(Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length)));
        Stdio.Out.Flush();
    }
}
