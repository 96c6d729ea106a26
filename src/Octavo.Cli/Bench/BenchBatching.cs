using System.CommandLine;
using System.Text.Json;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Engine;
using Octavo.Lab;
using Octavo.Lab.Measuring;
using Octavo.Lab.Workloads;
using Spectre.Console;

namespace Octavo.Cli.Bench;

/// <summary><c>octavo bench batching</c>: continuous batching against static, on the same model, requests and kernels.</summary>
internal sealed class BenchBatching
{
    private const int LongestSequence = 1024;

    private readonly Option<string?> _model = OptionKinds.Text("--model", "MODEL", "A model's directory, or tales; otherwise --shape with random int8 weights.");
    private readonly Option<IReadOnlyList<int>?> _batches = OptionKinds.Integers("--batches", "Requests at once, one comparison for each number. [default: 8,16,32,64]");
    private readonly Option<int?> _requests = OptionKinds.Integer("--requests", "Requests of the load. [default: 128]");
    private readonly Option<int?> _rounds = OptionKinds.Integer("--rounds", "How often all are run in turn; figures are medians. [default: 3]");
    private readonly Option<string?> _workload = OptionKinds.Text(
        "--workload", "W", "Lengths of the load. [default: prompt=lognormal:32:0.6:256 output=lognormal:64:1:512]");

    private readonly BenchArguments _arguments = new();

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new BenchBatching();
        var command = new Command(
            "batching", "Compare continuous with static batching: groups that start together and end with their longest request. All requests are there at once; lengths are log-normal.")
        {
            it._model, it._batches, it._requests, it._rounds, it._workload,
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
        if (batches.Any(b => b is < 1 or > 512) || requests is < 1 or > 100_000 || rounds is < 1 or > 99)
        {
            throw new UsageException("--batches must be from 1 to 512, --requests from 1 to 100000, --rounds from 1 to 99");
        }

        using LoadedModel model = Load(result, batches.Max());
        Workload workload = ReadWorkload(result, model, requests);
        IReadOnlyList<WorkloadRequest> load = workload.Make();
        var times = new Dictionary<(Kind, int), List<double>>();
        long tokens = load.Sum(r => (long)r.OutputTokens);
        Once(model, [.. load.Take(Math.Min(16, load.Count))], Kind.Continuous, batches[0]);     // warm
        for (int round = 0; round < rounds; round++)
        {
            foreach (int batch in batches)
            {
                foreach (Kind kind in Enum.GetValues<Kind>())
                {
                    ProgressLine.Show($"round {round + 1} of {rounds}, {batch} at once, {Name(kind)}");
                    times.TryAdd((kind, batch), []);
                    times[(kind, batch)].Add(Once(model, load, kind, batch));
                }
            }
        }

        ProgressLine.Show(string.Empty);
        double Rate(Kind kind, int batch) => tokens / times[(kind, batch)].Order().ElementAt(rounds / 2);
        Write(result, model, load, batches, Rate);
        return ExitCode.Success;
    }

    private static double Once(LoadedModel model, IReadOnlyList<WorkloadRequest> load, Kind kind, int batch)
    {
        using LlmEngine engine = model.MakeEngine(new LlmEngineOptions
        {
            MaxModelLen = model.MaxModelLen,
            MaxNumSeqs = batch,
            MaxNumBatchedTokens = model.MaxNumBatchedTokens,
            EnablePrefixCaching = false,
        });
        return StaticBatching.Run(
            engine, load, kind == Kind.Continuous ? load.Count : batch, kind != Kind.Static, model.VocabSize, TimeProvider.System).Seconds;
    }

    private LoadedModel Load(ParseResult result, int most)
    {
        if (result.GetValue(_model) is { } model)
        {
            return LoadedModel.Load(ModelLocator.Find(model), new EngineOptions { Threads = _arguments.Threads(result), MaxNumSeqs = Math.Max(128, most) });
        }

        ModelShape shape = _arguments.Shape(result);
        return LoadedModel.Random(shape, ModelPlan.SchemeNamed("int8"), LongestSequence, most * LongestSequence, 2048, _arguments.Threads(result));
    }

    private Workload ReadWorkload(ParseResult result, LoadedModel model, int requests)
    {
        int longest = Math.Min(LongestSequence, model.MaxModelLen);
        try
        {
            return WorkloadText.Parse(
                result.GetValue(_workload) ?? "prompt=lognormal:32:0.6:256 output=lognormal:64:1:512",
                new Workload { Arrivals = ArrivalProcess.Saturating, Requests = requests, MaxLength = longest, Seed = 1 });
        }
        catch (FormatException e)
        {
            throw new UsageException("--workload: " + e.Message);
        }
    }

    private void Write(ParseResult result, LoadedModel model, IReadOnlyList<WorkloadRequest> load, IReadOnlyList<int> batches, Func<Kind, int, double> rate)
    {
        double best = batches.Max(b => rate(Kind.Static, b));
        if (_arguments.Json(result))
        {
            Stdio.Out.WriteLine(JsonText.Of(json =>
            {
                json.WriteString("model", model.Name);
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
            Table table = new Table { Title = new TableTitle($"{model.Name}, {load.Count} requests, {load.Sum(r => (long)r.OutputTokens)} tokens asked for") }
                .AddColumns("at once", "static, tokens/s", "static, finished rows dropped", "continuous", "to static", "to best static", "to finished rows dropped");
            foreach (int batch in batches)
            {
                double continuous = rate(Kind.Continuous, batch);
                table.AddRow(
                    Figures.Number(batch, 0), Figures.Number(rate(Kind.Static, batch), 0), Figures.Number(rate(Kind.Dropping, batch), 0),
                    Figures.Number(continuous, 0), Times(continuous / rate(Kind.Static, batch)), Times(continuous / best), Times(continuous / rate(Kind.Dropping, batch)));
            }

            Tables.Console().Write(table);
        }

        Stdio.Out.Flush();

        static string Times(double ratio) => Figures.Number(ratio, 2) + " times";
    }

    private static void WriteRow(Utf8JsonWriter json, int batch, Func<Kind, int, double> rate)
    {
        json.WriteStartObject();
        json.WriteNumber("batch", batch);
        json.WriteNumber("static_tokens_per_second", rate(Kind.Static, batch));
        json.WriteNumber("dropping_tokens_per_second", rate(Kind.Dropping, batch));
        json.WriteNumber("continuous_tokens_per_second", rate(Kind.Continuous, batch));
        json.WriteEndObject();
    }

    private static string Name(Kind kind) => kind switch
    {
        Kind.Static => "static",
        Kind.Dropping => "static, finished rows dropped",
        _ => "continuous",
    };

    private enum Kind
    {
        Static,
        Dropping,
        Continuous,
    }
}
