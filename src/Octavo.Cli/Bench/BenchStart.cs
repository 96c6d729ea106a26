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
/// <c>octavo bench start</c>: processes that start, how soon they answer, what they take, how fast they are at first.
/// </summary>
internal sealed class BenchStart
{
    private const int LongestSequence = 2048;
    private const double MB = 1e6;

    private readonly BenchArguments _arguments = new("The Llama model that is written to disk, with random weights.");

    private readonly Option<string?> _model = OptionKinds.Text(
        "--model", "MODEL", ModelLocator.Takes + ", or tales, in place of --shape; no packed copy is made beside it.");

    private readonly Option<string?> _scheme = OptionKinds.Text(
        "--scheme", string.Join('|', WeightScheme.Names),
        "How the weights are stored. [default: int8 with --shape, as the checkpoint with --model]");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new BenchStart();
        var command = new Command(
            "start",
            "Start processes, each new: time until ready and to the first token, memory beside what weights and cache "
                + "take, and the rates of the first three loads of 64 requests, 100 tokens each, 16 at once.")
        {
            it._model, it._scheme,
        };
        it._arguments.AddTo(command);
        command.SetAction((result, cancellation) => it.RunAsync(result, cancellation));
        return command;
    }

    private async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        string? model = result.GetValue(_model);
        string? scheme = result.GetValue(_scheme) ?? (model is null ? "int8" : null);
        List<string> options = scheme is null ? [] : ["--quantization", scheme];
        if (_arguments.Threads(result) is { } threads)
        {
            options.AddRange(["--threads", threads.ToString(CultureInfo.InvariantCulture)]);
        }

        if (model is not null)
        {
            Write(result, model, await MeasureAsync(ModelLocator.Find(model), options, cancellation)
                .ConfigureAwait(false));
            return ExitCode.Success;
        }

        ModelShape shape = _arguments.Shape(result);
        DirectoryInfo directory = Directory.CreateTempSubdirectory("octavo-start-");
        try
        {
            ProgressLine.Show("writing " + shape.Name);
            RandomModel.WriteTo(shape, LongestSequence, directory.FullName);
            List<StartRow> rows = await MeasureAsync(directory.FullName, options, cancellation).ConfigureAwait(false);
            ProgressLine.Show("packing");
            Pack(directory.FullName, scheme);
            rows.Add(await StartAsync(
                "packed copy", directory.FullName, StartLoad.One, options, cancellation).ConfigureAwait(false));
            Write(result, "random " + shape.Name, rows);
            return ExitCode.Success;
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static void Pack(string directory, string? scheme)
    {
        using var opened = Model.Open(directory);
        opened.Plan(new EngineOptions { Model = new ModelOptions { Quantization = scheme } }).Pack();
    }

    private static async Task<List<StartRow>> MeasureAsync(
        string model, List<string> options, CancellationToken cancellation) =>
    [
        await StartAsync("one request", model, StartLoad.One, options, cancellation).ConfigureAwait(false),
        await StartAsync("greedy", model, StartLoad.Greedy, options, cancellation).ConfigureAwait(false),
        await StartAsync("drawn", model, StartLoad.Drawn, options, cancellation).ConfigureAwait(false),
    ];

    private static async Task<StartRow> StartAsync(
        string name, string model, StartLoad load, List<string> options, CancellationToken cancellation)
    {
        ProgressLine.Show(name);
        long began = Stopwatch.GetTimestamp();
        using Process process = OwnProcess.Start(
            ["bench", BenchStartRun.Name, model, BenchStartRun.Load, load.ToString(), .. options]);
        TimeSpan? firstToken = null;
        if (load == StartLoad.One
            && await process.StandardOutput.ReadLineAsync(cancellation).ConfigureAwait(false)
                == BenchStartRun.FirstToken)
        {
            firstToken = Stopwatch.GetElapsedTime(began);
        }

        string figures = await process.StandardOutput.ReadToEndAsync(cancellation).ConfigureAwait(false);
        await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
        ProgressLine.Show(string.Empty);
        UsageException.ThrowIf(process.ExitCode != ExitCode.Success, $"the start of '{name}' failed");
        using JsonDocument json = JsonDocument.Parse(figures);
        return new StartRow(name, StartFigures.Read(json.RootElement), firstToken);
    }

    private void Write(ParseResult result, string model, IReadOnlyList<StartRow> rows)
    {
        if (_arguments.Json(result))
        {
            Stdio.Out.WriteLine(JsonText.Of(json =>
            {
                json.WriteString("model", model);
                json.WriteString("instruction_set", ThisMachine.Kernels);
                json.WriteStartArray("starts");
                foreach (StartRow row in rows)
                {
                    json.WriteStartObject();
                    json.WriteString("start", row.Name);
                    row.Figures.WriteTo(json);
                    if (row.ProcessToFirstToken is { } time)
                    {
                        json.WriteNumber("process_to_first_token_seconds", time.TotalSeconds);
                    }

                    json.WriteEndObject();
                }

                json.WriteEndArray();
            }));
        }
        else
        {
            WriteTables(model, rows);
        }

        Stdio.Out.Flush();
    }

    private static void WriteTables(string model, IReadOnlyList<StartRow> rows)
    {
        Table starts = new Table { Title = new TableTitle($"{model}, kernels {ThisMachine.Kernels}: starts") }
            .AddColumns(
                "start", "packing, s", "then ready, s", "first token, s", "whole process, s", "weights, MB",
                "used cache, MB", "resident, MB", "of what is allowed");
        Table rates = new Table { Title = new TableTitle("64 requests of 100 tokens, 16 at once: tokens/s") }
            .AddColumns("start", "first", "second", "third", "first of third");
        foreach ((string name, StartFigures f, TimeSpan? whole) in rows)
        {
            if (whole is { } time)
            {
                starts.AddRow(
                    name, Figures.Number(f.Loading, 2), Figures.Number(f.Ready, 3), Figures.Number(f.FirstToken, 3),
                    Figures.Number(time.TotalSeconds, 2), Figures.Number(f.WeightBytes / MB, 0),
                    Figures.Number(f.CacheBytes / MB, 0), Figures.Number(f.ResidentBytes / MB, 0),
                    Figures.Percent(f.ResidentBytes / f.AllowedBytes));
            }
            else
            {
                rates.AddRow(
                    [name, .. f.Rates.Select(r => Figures.Number(r, 0)), Figures.Percent(f.Rates[0] / f.Rates[^1])]);
            }
        }

        Tables.Console().Write(starts);
        Tables.Console().Write(rates);
    }

    /// <summary>One process.</summary>
    private sealed record StartRow(string Name, StartFigures Figures, TimeSpan? ProcessToFirstToken);
}
