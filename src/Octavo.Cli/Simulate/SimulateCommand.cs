using System.CommandLine;
using System.Globalization;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Lab;
using Octavo.Lab.Measuring;
using Octavo.Lab.Scenarios;
using Octavo.Lab.Simulation;
using Octavo.Lab.Workloads;
using Spectre.Console;

namespace Octavo.Cli.Simulate;

/// <summary><c>octavo simulate</c>: what replicas of an engine would do under a load, on a virtual clock.</summary>
internal sealed class SimulateCommand
{
    private const string DefaultWorkload = "poisson rate=2";

    private static readonly TimeSpan DefaultFirstToken = TimeSpan.FromSeconds(2);

    private readonly LoadArguments _load = new(DefaultWorkload, EngineSettings.Batching, EngineSettings.Limits);
    private readonly Option<int?> _replicas = OptionKinds
        .Integer("--replicas", "Engines that share the load. [default: 1]");
    private readonly Option<int> _routing = OptionKinds.Choice(
        "--routing", "Which engine gets a request.", [.. SimulationOptions.Routings.Select((name, i) => (name, i))]);

    private readonly Option<string?> _stepTime = OptionKinds.Text(
        "--step-time",
        "S,S,…",
        "The step-time model's coefficients, as this command prints them; otherwise coefficients and noise are "
            + "measured with MODEL on this machine.");

    private readonly Option<double?> _stepNoise = OptionKinds.Number(
        "--step-noise",
        "With --step-time: how far steps are off from that, as a standard deviation relative to it. [default: 0.03]");

    private readonly Option<bool> _check = OptionKinds
        .Switch("--check", "Also run the load on the model, in real time, and print how far the simulation was off.");
    private readonly Option<bool> _scenarios = OptionKinds.Switch(
        "--scenarios",
        "Instead of one load, simulate six, each with adaptive batching and with every fixed setting of a grid; with "
            + "--check, also run the best of them.");

    private readonly Option<IReadOnlyList<string>?> _only = OptionKinds.Choices(
        "--only", "With --scenarios: only these.", [.. Scenario.Names.Select(n => (n.Split(' ')[0], n))]);

    private readonly Option<TimeSpan?> _seconds = OptionKinds
        .Duration("--seconds", "With --scenarios: how long requests come in each. [default: 60s]");
    private readonly Option<int?> _rounds = OptionKinds
        .Integer("--rounds", "With --check: how often each load is run; medians are shown. [default: 1]");
    private readonly Option<bool> _json = OptionKinds.Switch("--json", "Print one JSON object.");
    private readonly Option<string?> _chart = OptionKinds
        .Text("--chart", "FILE", "With --scenarios: also draws the result into this SVG file.");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new SimulateCommand();
        var command = new Command("simulate", "Simulate a load: the engine's own scheduler and policies on a virtual "
            + "clock, with step times of this machine.");
        it._load.AddTo(command);
        foreach (Option option in (Option[])[
            it._replicas, it._routing, it._stepTime, it._stepNoise, it._check, it._scenarios, it._only, it._seconds,
            it._rounds, it._chart, it._json
        ])
        {
            command.Add(option);
        }

        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        bool check = result.GetValue(_check);
        bool scenarios = result.GetValue(_scenarios);
        (double seconds, int rounds, string? chart) = ReadRunArguments(result, scenarios, check);
        StepTimes? given = ReadStepTimes(result);
        UsageException.ThrowIf(
            check && (result.GetValue(_replicas) ?? 1) != 1, "--check runs one engine, so --replicas must be 1");

        using LoadedModel? model = given is null || check ? _load.Load(result) : null;
        Workload workload = _load.Workload(result, model?.MaxModelLen ?? 4096);
        SchedulingOptions scheduling = _load.Options(result).Scheduling;
        int most = Math.Min(scheduling.StepTokens, model?.MaxNumBatchedTokens ?? int.MaxValue);
        scheduling = scheduling with { MaxNumBatchedTokens = most };
        StepTimes steps = given ?? MeasureSteps(model!);
        ProgressLine.Show(string.Empty);
        var options = new SimulationOptions
        {
            StepTimes = steps,
            Replicas = result.GetValue(_replicas) ?? 1,
            Routing = SimulationOptions.Routings[result.GetValue(_routing)],
            Scheduling = scheduling,
            NumBlocks = model?.BlocksOfTokens ?? new SimulationOptions { StepTimes = steps }.NumBlocks,
            BlockSize = model?.BlockSize ?? 16,
        };
        IAnsiConsole console = Tables.Console();
        bool asJson = result.GetValue(_json);
        if (!asJson)
        {
            Stdio.Out.WriteLine("step time   "
                + string.Join(',', steps.Coefficients.Select(c => c.ToString("G5", CultureInfo.InvariantCulture))));
            Stdio.Out.WriteLine("step noise  " + steps.Noise.ToString("G3", CultureInfo.InvariantCulture));
        }

        if (scenarios)
        {
            IReadOnlyList<string> only = result.GetValue(_only) ?? Scenario.Names;
            options = WithFirstToken(options);
            var runs = new ScenarioRuns(
                options, [.. Scenario.Names.Where(only.Contains)], workload.MaxLength, seconds, ProgressLine.Show);
            List<(string Title, IReadOnlyList<ScenarioResult> Results)> parts =
                [("simulated: " + runs.TargetText, runs.Simulate())];
            if (check)
            {
                parts.Add(("measured: " + runs.TargetText,
                    runs.Measure(model!, parts[0].Results, rounds, calibrate: given is null)));
            }

            WriteScenarios(parts, asJson ? null : console, chart);
            if (asJson)
            {
                Stdio.Out.WriteLine(SimulateJson.OfScenarios(options, parts));
                Stdio.Out.Flush();
            }

            return ExitCode.Success;
        }

        IReadOnlyList<WorkloadRequest> requests = workload.Make();
        IReadOnlyList<(LoadFigures Simulated, LoadFigures Measured)> both = check
            ? new SimulationCheck(model!, workload, options, ProgressLine.Show).Run(rounds, calibrate: given is null)
            : [];
        ProgressLine.Show(string.Empty);
        LoadFigures? simulated = check ? null : LoadFigures.Of(Simulator.Run(requests, options), scheduling.Targets);
        if (asJson)
        {
            Stdio.Out.WriteLine(SimulateJson.OfLoad(_load.Text(result), requests.Count, options, simulated, both));
            Stdio.Out.Flush();
            return ExitCode.Success;
        }

        Table table = LoadTable.Make(
            string.Create(CultureInfo.InvariantCulture, $"{requests.Count} requests, {options.Replicas} replicas"));
        if (simulated is null)
        {
            LoadTable.AddRounds(table, both);
        }
        else
        {
            LoadTable.AddRow(table, "simulated", simulated);
        }

        console.Write(table);
        Stdio.Out.Flush();
        return ExitCode.Success;
    }

    private (double Seconds, int Rounds, string? Chart) ReadRunArguments(ParseResult result, bool scenarios, bool check)
    {
        (TimeSpan? seconds, int? rounds, string? chart) = (
            result.GetValue(_seconds), result.GetValue(_rounds), result.GetValue(_chart));
        UsageException.ThrowIf(
            !scenarios && (result.GetValue(_only), seconds, chart) is not (null, null, null),
            "--only, --seconds and --chart go with --scenarios");

        UsageException.ThrowIf(!check && rounds is not null, "--rounds goes with --check");

        UsageException.ThrowIf(
            seconds?.TotalSeconds is < 1 or > 3600 || rounds is < 1 or > 100,
            "--seconds must be between 1 and 3600, --rounds between 1 and 100");

        OutputFile.Check("--chart", chart);
        return (seconds?.TotalSeconds ?? 60, rounds ?? 1, chart);
    }

    private static StepTimes MeasureSteps(LoadedModel model)
    {
        ProgressLine.Show("measuring steps");
        return Calibration.Run(model);
    }

    private static SimulationOptions WithFirstToken(SimulationOptions options) =>
        options.Scheduling.Targets.FirstToken is not null ? options : options with
        {
            Scheduling = options.Scheduling with
            {
                Targets = options.Scheduling.Targets with { FirstToken = DefaultFirstToken },
            },
        };

    private static void WriteScenarios(
        IReadOnlyList<(string Title, IReadOnlyList<ScenarioResult> Results)> parts,
        IAnsiConsole? console,
        string? chart)
    {
        ProgressLine.Show(string.Empty);
        foreach ((string title, IReadOnlyList<ScenarioResult> results) in parts)
        {
            console?.Write(ScenarioTable.Make(title, results));
        }

        if (chart is not null)
        {
            WholeFile.Write(chart, ScenarioChart.Draw(parts).TrimEnd());
        }

        Stdio.Out.Flush();
    }

    private StepTimes? ReadStepTimes(ParseResult result)
    {
        double? noise = result.GetValue(_stepNoise);
        UsageException.ThrowIf(
            noise is < 0 or > 0.3,
            $"--step-noise must be between 0 and 0.3; it is {noise}");

        if (result.GetValue(_stepTime) is not { } text)
        {
            return noise is null ? null : throw new UsageException("--step-noise goes with --step-time");
        }

        List<double> numbers = [];
        foreach (string word in text.Split(','))
        {
            numbers.Add(double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out double n)
                && n >= 0
                && double.IsFinite(n)
                ? n
                : throw new UsageException($"--step-time takes numbers with commas between; it is '{text}'"));
        }

        UsageException.ThrowIf(
            numbers.Count != StepTimes.Terms, $"--step-time takes {StepTimes.Terms} numbers; it has {numbers.Count}");

        return noise is { } given ? new StepTimes(numbers, given) : new StepTimes(numbers);
    }
}
