using System.CommandLine;
using System.CommandLine.Parsing;
using System.Security.Cryptography;
using System.Text;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Lab;
using Octavo.Lab.Measuring;
using Octavo.Lab.Tuning;
using Octavo.Lab.Workloads;

namespace Octavo.Cli.Tune;

/// <summary>
/// <c>octavo tune</c>: finds the best fixed limits for a load by running it, and shows what adaptive batching does
/// beside them.
/// </summary>
internal sealed class TuneCommand
{
    private const string DefaultWorkload = "saturating";
    private const int MostRequests = 2000;           // of a run, where the workload does not say
    private static readonly TimeSpan DefaultTime = TimeSpan.FromMinutes(4);

    private readonly LoadArguments _load = new(DefaultWorkload, EngineSettings.Loading);
    private readonly Option<TimeSpan?> _time = OptionKinds.Duration(
        "--time", $"How long to measure, about; runs are as long as it allows. [default: {DefaultTime.TotalSeconds}s]");

    private readonly Option<string?> _output = OptionKinds.Text(
        "--output",
        "FILE.json",
        "Where the best setting goes, for octavo serve --settings. Until all is done, what was measured is kept in "
            + "FILE.json.state, and the same command goes on from there. [default: not written]");

    private readonly Option<string?> _report = OptionKinds
        .Text("--report", "FILE.html", "Write a page with the frontier of throughput and latency, all in one file.");
    private readonly Option<bool> _json = OptionKinds
        .Switch("--json", "Print one JSON object, with every setting that was tried.");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new TuneCommand();
        var command = new Command(
            "tune",
            "Find the best --max-num-seqs and --max-num-batched-tokens for a load by successive halving on this "
                + "machine, beside adaptive batching.");
        it._load.AddTo(command);
        foreach (Option option in (Option[])[it._time, it._output, it._report, it._json])
        {
            command.Add(option);
        }

        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        TimeSpan time = result.GetValue(_time) ?? DefaultTime;
        UsageException.ThrowIf(time < TimeSpan.FromSeconds(1), "--time must be at least a second");

        (string? output, string? page) = (result.GetValue(_output), result.GetValue(_report));
        OutputFile.Check("--output", output);
        OutputFile.Check("--report", page);
        using LoadedModel model = _load.Load(result, BatchSetting.VllmDefaults.MaxNumSeqs);
        ProgressLine.Show(string.Empty);
        Workload workload = _load.Workload(result, model.MaxModelLen, MostRequests);
        BatchingTargets targets = _load.Options(result).Scheduling.Targets;
        TuneState state = TuneState.Open(output is null ? null : output + ".state", Arguments(result, model, workload));
        if (state.Count > 0)
        {
            Stdio.Error.WriteLine($"going on from {output}.state: {state.Count} runs are known");
        }

        TuneResult found = Measure(model, workload, targets, time, state);
        var report = new TuneReport(model.Name, _load.Text(result), targets, found);
        Write(report, output, page, result.GetValue(_json));
        state.Delete();
        return ExitCode.Success;
    }

    private static TuneResult Measure(
        LoadedModel model, Workload workload, BatchingTargets targets, TimeSpan time, TuneState state)
    {
        using var interrupt = new Interrupt();
        using var bar = new WorkBar("tuning");
        var plan = new TunePlan(workload, time.TotalSeconds, model.MaxNumBatchedTokens);
        return new Tuner(
            plan,
            state,
            trial => Run(model, workload, targets, trial, interrupt.Token),
            bar,
            Stdio.Error.WriteLine).Run();
    }

    private static LoadFigures Run(
        LoadedModel model, Workload workload, BatchingTargets targets, TuneTrial trial, CancellationToken cancellation)
    {
        // Each round draws other requests, the same for all settings; a trace is what it is.
        int draw = trial.Round + (trial.Stage == TuneTrial.Confirm ? TunePlan.Rounds : 0);
        Workload drawn = workload with { Requests = trial.Requests, Seed = workload.Seed + draw };
        IEnumerable<WorkloadRequest> requests =
            drawn.Make().Take(trial.Requests).Select(r => trial.AtOnce ? r with { Arrival = 0 } : r);
        return Calibration.Measure(
            model, trial.Setting, targets, [.. requests], cancellation, TimeSpan.FromSeconds(trial.Limit));
    }

    private static void Write(TuneReport report, string? output, string? page, bool json)
    {
        if (output is not null)
        {
            WholeFile.Write(
                output,
                SettingsFile.Write(report.Result.Best.Over(new SchedulingOptions { Targets = report.Targets })));
        }

        if (page is not null)
        {
            WholeFile.Write(page, TunePage.Make(report));
        }

        if (json)
        {
            Stdio.Out.WriteLine(report.ToJson());
        }
        else
        {
            report.WriteTable(Tables.Console());
        }

        Stdio.Out.Flush();
    }

    // All that the figures depend on: what was given, where it runs, and the load itself, since a trace's file may
    // change.
    private Dictionary<string, string> Arguments(ParseResult result, LoadedModel model, Workload workload)
    {
        string[] unasked = [_output.Name, _report.Name, _json.Name];
        var arguments = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["model"] = model.Name,
            ["machine"] = $"{ThisMachine.Kernels}, {Environment.ProcessorCount} processors",
            ["load"] = Convert.ToHexStringLower(
                SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', workload.Make()))))[..16],
        };
        foreach (SymbolResult child in result.CommandResult.Children)
        {
            if (child is OptionResult { Implicit: false } option && !unasked.Contains(option.Option.Name))
            {
                arguments[option.Option.Name] = string.Join(' ', option.Tokens.Select(t => t.Value));
            }
        }

        return arguments;
    }
}
