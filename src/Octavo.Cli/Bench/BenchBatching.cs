using System.CommandLine;
using System.Text.Json;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Lab;
using Octavo.Lab.Measuring;
using Octavo.Lab.Workloads;
using Spectre.Console;

namespace Octavo.Cli.Bench;

/// <summary>
/// <c>octavo bench batching</c>: continuous batching against static, on the same model, requests and kernels.
/// </summary>
internal sealed class BenchBatching
{
    private const int LongestSequence = 1024;

    private readonly Option<string?> _model = OptionKinds
        .Text("--model", "MODEL", ModelLocator.Takes + ", or tales; otherwise --shape with random int8 weights.");
    private readonly Option<IReadOnlyList<int>?> _batches = OptionKinds
        .Integers("--batches", "Requests at once, one comparison for each number. [default: 8,16,32,64]");
    private readonly Option<int?> _requests = OptionKinds.Integer("--requests", "Requests of the load. [default: 128]");
    private readonly Option<int?> _rounds = OptionKinds
        .Integer("--rounds", "How often all are run in turn; figures are medians. [default: 3]");
    private readonly Option<string?> _workload = OptionKinds.Text(
        "--workload", "W", "Lengths of the load. [default: prompt=lognormal:32:0.6:256 output=lognormal:64:1:512]");

    private readonly Option<string?> _sampling = SamplingOption.One("How tokens are drawn. [default: greedy]");

    private readonly BenchArguments _arguments = new();

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new BenchBatching();
        var command = new Command(
            "batching",
            "Compare continuous with static batching: groups that start together and end with their longest request. "
                + "All requests are there at once; lengths are log-normal.")
        {
            it._model, it._batches, it._requests, it._rounds, it._workload, it._sampling,
        };
        it._arguments.AddTo(command);
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        IReadOnlyList<int> batches = result.GetValue(_batches) ?? [8, 16, 32, 64];
        int requests = result.GetValue(_requests) ?? 128;
        int rounds = result.GetValue(_rounds) ?? 3;
        string sampling = Sampling(result);
        UsageException.ThrowIf(
            batches.Any(b => b is < 1 or > 512) || requests is < 1 or > 100_000 || rounds is < 1 or > 99,
            "--batches must be from 1 to 512, --requests from 1 to 100000, --rounds from 1 to 99");

        using LoadedModel model = Load(result, batches.Max());
        Workload workload = ReadWorkload(result, model, requests);
        IReadOnlyList<WorkloadRequest> load = workload.Make();
        IReadOnlyDictionary<(BatchingKind Kind, int Batch), double> rates = new BatchingBenchmark(
            model, load, SamplingOption.Read(sampling), ProgressLine.Show).Run(batches, rounds);
        ProgressLine.Show(string.Empty);
        Write(result, model, load, batches, (kind, batch) => rates[(kind, batch)]);
        return ExitCode.Success;
    }

    private string Sampling(ParseResult result) => result.GetValue(_sampling) ?? SamplingText.Greedy;

    private LoadedModel Load(ParseResult result, int most)
    {
        if (result.GetValue(_model) is { } model)
        {
            var options = new EngineOptions
            {
                Model = new ModelOptions { Threads = _arguments.Threads(result) },
                Scheduling = new SchedulingOptions { MaxNumSeqs = Math.Max(SchedulingOptions.DefaultMaxNumSeqs, most) },
            };
            return LoadedModel.Load(ModelLocator.Find(model), options);
        }

        ModelShape shape = _arguments.Shape(result);
        return LoadedModel.Random(
            shape,
            ModelPlan.SchemeNamed("int8"),
            LongestSequence,
            most * LongestSequence,
            SchedulingOptions.DefaultMaxNumBatchedTokens,
            _arguments.Threads(result));
    }

    private Workload ReadWorkload(ParseResult result, LoadedModel model, int requests)
    {
        int longest = Math.Min(LongestSequence, model.MaxModelLen);
        try
        {
            return WorkloadText.Parse(
                result.GetValue(_workload) ?? "prompt=lognormal:32:0.6:256 output=lognormal:64:1:512",
                new Workload
                {
                    Arrivals = ArrivalProcess.Saturating,
                    Requests = requests,
                    MaxLength = longest,
                    Seed = 1,
                });
        }
        catch (FormatException e)
        {
            throw new UsageException("--workload: " + e.Message);
        }
    }

    private void Write(
        ParseResult result,
        LoadedModel model,
        IReadOnlyList<WorkloadRequest> load,
        IReadOnlyList<int> batches,
        Func<BatchingKind,
        int,
        double> rate)
    {
        double best = batches.Max(b => rate(BatchingKind.Static, b));
        if (_arguments.Json(result))
        {
            Stdio.Out.WriteLine(JsonText.Of(json =>
            {
                json.WriteString("model", model.Name);
                json.WriteString("sampling", Sampling(result));
                json.WriteNumber("requests", load.Count);
                json.WriteNumber("best_static_tokens_per_second", best);
                json.WriteStartArray("batches");
                foreach (int batch in batches)
                {
                    WriteRow(json, batch, rate);
                }

                json.WriteEndArray();
            }));
        }
        else
        {
            long asked = load.Sum(r => (long)r.OutputTokens);
            var title = new TableTitle(
                $"{model.Name}, {load.Count} requests, {asked} tokens asked for, drawn {Sampling(result)}");
            Table table = new Table { Title = title }
                .AddColumns(
                    "at once",
                    "static, tokens/s",
                    "static, finished rows dropped",
                    "continuous",
                    "to static",
                    "to best static",
                    "to finished rows dropped");
            foreach (int batch in batches)
            {
                double continuous = rate(BatchingKind.Continuous, batch);
                table.AddRow(
                    Figures.Number(batch, 0), Figures.Number(rate(BatchingKind.Static, batch), 0), Figures
                        .Number(rate(BatchingKind.Dropping, batch), 0),
                    Figures.Number(continuous, 0), Times(continuous / rate(BatchingKind.Static, batch)),
                    Times(continuous / best), Times(continuous / rate(BatchingKind.Dropping, batch)));
            }

            Tables.Console().Write(table);
        }

        Stdio.Out.Flush();

        static string Times(double ratio) => Figures.Number(ratio, 2) + " times";
    }

    private static void WriteRow(Utf8JsonWriter json, int batch, Func<BatchingKind, int, double> rate)
    {
        json.WriteStartObject();
        json.WriteNumber("batch", batch);
        json.WriteNumber("static_tokens_per_second", rate(BatchingKind.Static, batch));
        json.WriteNumber("dropping_tokens_per_second", rate(BatchingKind.Dropping, batch));
        json.WriteNumber("continuous_tokens_per_second", rate(BatchingKind.Continuous, batch));
        json.WriteEndObject();
    }
}
