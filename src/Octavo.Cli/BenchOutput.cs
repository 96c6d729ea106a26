using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Octavo.Cpu;
using Octavo.Cpu.Measuring;
using Spectre.Console;

namespace Octavo.Cli;

/// <summary>What all measurements print alike: progress, the machine, one JSON object.</summary>
internal static class BenchOutput
{
    private const int ProgressWidth = 60;

    // Names such as gate·up stay readable.
    private static readonly JsonWriterOptions Format = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Says on standard error, where a person looks, what is going on; an empty text wipes the line.</summary>
    public static void Progress(string text)
    {
        if (!Console.IsErrorRedirected)
        {
            Terminal.Error.Write("\r" + (text.Length == 0 ? string.Empty : text + " …").PadRight(ProgressWidth) + (text.Length == 0 ? "\r" : string.Empty));
        }
    }

    /// <summary>The machine's ceilings as a table.</summary>
    public static Table MachineTable(MachineCeilings ceilings)
    {
        Table machine = new Table { Title = new TableTitle($"this machine, {ceilings.Threads} threads"), ShowHeaders = false }.AddColumns("what", "rate");
        machine.AddRow("read bandwidth", Giga(ceilings.ReadBandwidth, "GB/s"));
        machine.AddRow("float32 multiply-add", Giga(ceilings.Float32Peak, "GFLOPS"));
        machine.AddRow("bfloat16 dot product", ceilings.BFloat16Peak is { } wide ? Giga(wide, "GFLOPS") : "not there");
        machine.AddRow("int8 dot product", ceilings.Int8Peak is { } bytes ? Giga(bytes, "GOPS") : "not there");
        machine.AddRow("kernels", ProcessorFeatures.Selected.ToString().ToLowerInvariant());
        GeneratedCode code = GeneratedCode.Total;
        machine.AddRow("generated code", $"{code.Functions} functions, {Number(code.Bytes / 1024.0, 0)} KiB in {Number(code.Time.TotalMilliseconds, 0)} ms");
        return machine;
    }

    /// <summary>Writes one JSON object to standard output: shape, machine, and what <paramref name="writeRest"/> adds.</summary>
    public static void WriteJson(ModelShape shape, MachineCeilings ceilings, Action<Utf8JsonWriter> writeRest)
    {
        Terminal.Out.WriteLine(ToJson(shape, ceilings, writeRest));
        Terminal.Out.Flush();
    }

    /// <summary>The same as a string.</summary>
    public static string ToJson(ModelShape shape, MachineCeilings ceilings, Action<Utf8JsonWriter> writeRest)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Format))
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
            writeRest(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
    }

    /// <summary>A number for people, with so many decimals.</summary>
    public static string Number(double value, int decimals) => value.ToString("N" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    /// <summary>A fraction as a percentage.</summary>
    public static string Percent(double fraction) => Number(fraction * 100, 0) + "%";

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

    private static string Giga(double rate, string unit) => Number(rate / 1e9, 0) + " " + unit;
}
