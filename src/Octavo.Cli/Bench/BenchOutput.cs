using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Lab;
using Octavo.Lab.Measuring;
using Spectre.Console;

namespace Octavo.Cli.Bench;

/// <summary>What all measurements print alike: the machine, one JSON object.</summary>
internal static class BenchOutput
{
    /// <summary>The machine's ceilings as a table.</summary>
    public static Table MachineTable(MachineCeilings ceilings)
    {
        Table machine = new Table
        {
            Title = new TableTitle($"this machine, {ceilings.Threads} threads"),
            ShowHeaders = false,
        }.AddColumns("what", "rate");
        machine.AddRow("read bandwidth", Giga(ceilings.ReadBandwidth, "GB/s"));
        machine.AddRow("float32 multiply-add", Giga(ceilings.Float32Peak, "GFLOPS"));
        machine.AddRow("bfloat16 dot product", ceilings.BFloat16Peak is { } wide ? Giga(wide, "GFLOPS") : "not there");
        machine.AddRow("int8 dot product", ceilings.Int8Peak is { } bytes ? Giga(bytes, "GOPS") : "not there");
        machine.AddRow("kernels", ThisMachine.Kernels);
        (int functions, long bytesOfCode, TimeSpan time) = ThisMachine.GeneratedCode;
        machine.AddRow("generated code", $"{functions} functions, {Figures.Number(bytesOfCode / 1024.0, 0)} KiB in "
            + $"{Figures.Number(time.TotalMilliseconds, 0)} ms");
        return machine;
    }

    /// <summary>
    /// Writes one JSON object to standard output: what was measured, the machine, and what
    /// <paramref name="writeRest"/> adds.
    /// </summary>
    public static void WriteJson(BenchSubject subject, MachineCeilings ceilings, Action<Utf8JsonWriter> writeRest)
    {
        Stdio.Out.WriteLine(ToJson(subject, ceilings, writeRest));
        Stdio.Out.Flush();
    }

    /// <summary>The same as a string.</summary>
    public static string ToJson(BenchSubject subject, MachineCeilings ceilings, Action<Utf8JsonWriter> writeRest) =>
        JsonText.Of(json =>
        {
            json.WriteString(subject.Kind, subject.Name);
            json.WriteNumber("threads", ceilings.Threads);
            json.WriteString("instruction_set", ThisMachine.Kernels);
            json.WriteStartObject("ceilings");
            json.WriteNumber("read_bytes_per_second", ceilings.ReadBandwidth);
            json.WriteNumber("float32_operations_per_second", ceilings.Float32Peak);
            WritePeak(json, "bfloat16_operations_per_second", ceilings.BFloat16Peak);
            WritePeak(json, "int8_operations_per_second", ceilings.Int8Peak);
            json.WriteEndObject();
            writeRest(json);
        });

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

    private static string Giga(double rate, string unit) => Figures.Number(rate / 1e9, 0) + " " + unit;
}
