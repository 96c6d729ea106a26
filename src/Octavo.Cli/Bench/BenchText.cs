using System.CommandLine;
using System.Text;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Formats.Hub;
using Octavo.Lab;
using Octavo.Lab.Measuring;
using Octavo.Text;
using Spectre.Console;

namespace Octavo.Cli.Bench;

/// <summary><c>octavo bench text</c>: encoding and decoding on one core.</summary>
internal sealed class BenchText
{
    private const double MB = 1e6;
    private const int DefaultRounds = 5;

    private readonly Option<string?> _tokenizer = OptionKinds.Text(
        "--tokenizer", "MODEL", ModelLocator.Takes + ", or a tokenizer's file. [default: the bundled model]");

    private readonly Option<string?> _input = OptionKinds.Text(
        "--input", "FILE", "The text. [default: the stories that the bundled model is evaluated with]");

    private readonly Option<int?> _rounds =
        OptionKinds.Integer("--rounds", "How often all are run; figures are medians. [default: 5]");

    private readonly Option<bool> _json = OptionKinds.Switch("--json", "Print one JSON object.");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new BenchText();
        var command = new Command(
            "text",
            "Time a tokenizer on one core: encoding a text that it has not seen and once more, decoding at once and "
                + "token by token; and the memory it takes.")
        {
            it._tokenizer, it._input, it._rounds, it._json,
        };
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        int rounds = result.GetValue(_rounds) ?? DefaultRounds;
        UsageException.ThrowIf(rounds < 1, "--rounds must be at least 1");
        string model = result.GetValue(_tokenizer) ?? ModelLocator.BundledPath;
        string path = File.Exists(model) ? model : ModelLocator.Find(model, ModelParts.Text);
        string input = result.GetValue(_input) ?? ModelLocator.BundledText("valid.txt");
        UsageException.ThrowIf(!File.Exists(input), $"no such file: {input}");
        string text = File.ReadAllText(input);
        UsageException.ThrowIf(text.Length == 0, $"{input} is empty");
        TextMeasurement found = TextBenchmark.Run(
            () => File.Exists(path) ? Tokenizer.LoadFile(path) : Tokenizer.Load(path),
            text,
            rounds,
            ProgressLine.Show);
        ProgressLine.Show(string.Empty);
        if (result.GetValue(_json))
        {
            WriteJson(found);
        }
        else
        {
            WriteTable(found);
        }

        Stdio.Out.Flush();
        return ExitCode.Success;
    }

    private static void WriteTable(TextMeasurement found)
    {
        Table table = new Table().AddColumns("what", "MB/s", "tokens/s");
        foreach ((string what, double seconds) in new[]
        {
            ("encode, new text", found.EncodeSeconds),
            ("encode again", found.EncodeAgainSeconds),
            ("decode", found.DecodeSeconds),
            ("decode token by token", found.IncrementalSeconds),
        })
        {
            table.AddRow(
                what,
                Figures.Number(found.TextBytes / seconds / MB, 1),
                Figures.Number(found.Tokens / seconds, 0));
        }

        Tables.Console().Write(table);
        Stdio.Out.WriteLine(
            $"{Figures.Number(found.TextBytes / MB, 1)} MB of text, {Figures.Number(found.Tokens, 0)} tokens of a "
                + $"vocabulary of {Figures.Number(found.VocabSize, 0)}; one core");
        Stdio.Out.WriteLine(
            $"loading takes {Figures.Number(found.LoadSeconds, 2)} s; the tokenizer takes "
                + $"{Figures.Number(found.TokenizerBytes / MB, 1)} MB; encoding again allocates "
                + $"{Figures.Number((double)found.EncodeBytes / found.TextBytes, 2)} bytes for a byte of text");
    }

    private static void WriteJson(TextMeasurement found) => Stdio.Out.WriteLine(JsonText.Of(json =>
    {
        json.WriteNumber("vocabulary", found.VocabSize);
        json.WriteNumber("text_bytes", found.TextBytes);
        json.WriteNumber("tokens", found.Tokens);
        json.WriteNumber("encode_bytes_per_second", found.TextBytes / found.EncodeSeconds);
        json.WriteNumber("encode_again_bytes_per_second", found.TextBytes / found.EncodeAgainSeconds);
        json.WriteNumber("decode_bytes_per_second", found.TextBytes / found.DecodeSeconds);
        json.WriteNumber("incremental_decode_bytes_per_second", found.TextBytes / found.IncrementalSeconds);
        json.WriteNumber("load_seconds", found.LoadSeconds);
        json.WriteNumber("tokenizer_bytes", found.TokenizerBytes);
        json.WriteNumber("encode_allocated_bytes", found.EncodeBytes);
    }));
}
