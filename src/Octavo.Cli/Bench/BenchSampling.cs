using System.CommandLine;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Lab;
using Octavo.Lab.Measuring;
using Spectre.Console;

namespace Octavo.Cli.Bench;

/// <summary>
/// <c>octavo bench sampling</c>: drawing tokens from rows that lie in memory, beside the time to read them.
/// </summary>
internal sealed class BenchSampling
{
    private static readonly string[] DefaultSamplings =
    [
        SamplingText.Greedy, "temperature=1", "min-p=0.05", "top-p=0.9", "top-k=50", "top-k=20,top-p=0.95",
        "top-k=50,top-p=0.9,min-p=0.02,presence-penalty=0.5,frequency-penalty=0.2,repetition-penalty=1.1",
        "greedy,logprobs=5", "temperature=1,logprobs=5",
    ];

    private readonly Option<IReadOnlyList<int>?> _vocabularies = OptionKinds.Integers(
        "--vocabularies", "Tokens of a vocabulary, each in turn. [default: 4096,32000,128256]");

    private readonly Option<string[]> _samplings = SamplingOption.Several(
        "How tokens are drawn; repeat for several. [default: nine ways]");

    private readonly Option<IReadOnlyList<int>?> _rows = OptionKinds.Integers(
        "--rows", "Rows at once, each in turn; several are shared by the threads. [default: 1,64]");

    private readonly EngineArguments _engine = new(EngineSettings.Threads);
    private readonly Option<bool> _json = OptionKinds.Switch("--json", "Print one JSON object.");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new BenchSampling();
        var command = new Command(
            "sampling",
            "Time drawing tokens from rows of logits that lie in memory, not in cache, beside the time that one thread "
                + "takes to read a row once, measured in the same run.")
        {
            it._vocabularies, it._samplings, it._rows,
        };
        it._engine.AddTo(command);
        command.Add(it._json);
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        IReadOnlyList<int> vocabularies = result.GetValue(_vocabularies) ?? [4096, 32_000, 128_256];
        IReadOnlyList<int> rows = result.GetValue(_rows) ?? [1, 64];
        UsageException.ThrowIf(
            vocabularies.Any(v => v is < 1 or > 1 << 20) || rows.Any(r => r is < 1 or > 1024),
            $"--vocabularies must be from 1 to {1 << 20}, --rows from 1 to 1024");
        string[] samplings = result.GetValue(_samplings) is { Length: > 0 } given ? given : DefaultSamplings;
        foreach (string sampling in samplings)
        {
            SamplingOption.Read(sampling);
        }

        int? threads = _engine.Read(result).Model.Threads;
        IReadOnlyList<SamplingMeasurement> found =
            new SamplingBenchmark(threads, ProgressLine.Show).Run(vocabularies, samplings, rows);
        ProgressLine.Show(string.Empty);
        if (result.GetValue(_json))
        {
            WriteJson(threads, found);
        }
        else
        {
            WriteTable(threads, found);
        }

        Stdio.Out.Flush();
        return ExitCode.Success;
    }

    private static void WriteTable(int? threads, IReadOnlyList<SamplingMeasurement> found)
    {
        Table table = new Table
        {
            Title = new TableTitle($"drawing tokens, {threads ?? Environment.ProcessorCount} threads"),
            Caption = new TableTitle("reads: of a row by one thread, measured in the same run"),
        }.AddColumns("tokens", "logits", "sampling", "rows", "µs", "µs a row", "µs to read a row", "reads a row");
        foreach (SamplingMeasurement m in found)
        {
            table.AddRow(
                Figures.Number(m.Vocabulary, 0),
                SamplingBenchmark.Name(m.Kind),
                m.Sampling,
                Figures.Number(m.Rows, 0),
                Figures.Number(m.Seconds * 1e6, 1),
                Figures.Number(m.Seconds / m.Rows * 1e6, 1),
                Figures.Number(m.ReadSeconds * 1e6, 1),
                Figures.Number(m.Reads, 2));
        }

        Tables.Console().Write(table);
    }

    private static void WriteJson(int? threads, IReadOnlyList<SamplingMeasurement> found) =>
        Stdio.Out.WriteLine(JsonText.Of(json =>
        {
            json.WriteNumber("threads", threads ?? Environment.ProcessorCount);
            json.WriteStartArray("sampling");
            foreach (SamplingMeasurement m in found)
            {
                json.WriteStartObject();
                json.WriteNumber("vocabulary", m.Vocabulary);
                json.WriteString("logits", SamplingBenchmark.Name(m.Kind));
                json.WriteString("sampling", m.Sampling);
                json.WriteNumber("rows", m.Rows);
                json.WriteNumber("seconds", m.Seconds);
                json.WriteNumber("read_seconds", m.ReadSeconds);
                json.WriteNumber("reads_a_row", m.Reads);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }));
}
