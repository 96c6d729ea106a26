using System.CommandLine;
using Octavo.Engine;
using Octavo.Engine.Workloads;
using Spectre.Console;

namespace Octavo.Cli;

/// <summary><c>octavo tune</c>: finds the best fixed limits for a load by running it, and shows what adaptive batching does beside them.</summary>
internal sealed class TuneCommand
{
    private const int Keep = 3;               // one setting in three goes on to a longer run
    private const int Finalists = 3;
    private const int Rounds = 3;
    private static readonly int[] Seqs = [4, 16, 64, 128];
    private static readonly int[] Tokens = [64, 256, 1024, 2048];

    private readonly LoadArguments _load = new();
    private readonly Option<string?> _output = OptionKinds.Text("--output", "FILE", "Where the best setting goes, for octavo serve --settings. [default: not written]");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new TuneCommand();
        var command = new Command(
            "tune", "Find the best --max-num-seqs and --max-num-batched-tokens for a load by successive halving on this machine, beside adaptive batching.");
        it._load.AddTo(command);
        command.Add(it._output);
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        using LoadedModel model = _load.Load(result);
        Workload workload = _load.Workload(result, model.MaxModelLen);
        BatchingTargets targets = _load.Targets(result);
        List<Setting> left = [.. Seqs.SelectMany(s => Tokens.Where(t => t >= s).Select(t => new Setting(BatchingMode.Fixed, s, t)))];
        int requests = Math.Max(8, workload.Requests / 8);
        Measure(model, workload with { Requests = requests }, targets, left[0]);                 // warm
        while (left.Count > Finalists)
        {
            List<(Setting Setting, LoadFigures Figures)> runs = [];
            foreach (Setting setting in left)
            {
                BenchOutput.Progress($"{left.Count} settings left, {requests} requests each: {setting}");
                runs.Add((setting, Measure(model, workload with { Requests = requests }, targets, setting)));
            }

            left = [.. runs.OrderByDescending(r => r.Figures.GoodPart).ThenByDescending(r => r.Figures.TokensPerSecond)
                .Take(Math.Max(Finalists, left.Count / Keep)).Select(r => r.Setting)];
            requests = Math.Min(workload.Requests, requests * 2);
        }

        left.Add(new Setting(BatchingMode.Adaptive, 128, 2048));
        Dictionary<Setting, LoadFigures> final = RunFinal(model, workload, targets, left);
        Setting best = left.Where(s => s.Batching == BatchingMode.Fixed)
            .OrderByDescending(s => final[s].GoodPart).ThenByDescending(s => final[s].TokensPerSecond).First();
        Table table = LoadArguments.FiguresTable($"{model.Name}: {workload.Requests} requests, median of {Rounds} runs in turn");
        foreach (Setting setting in left)
        {
            LoadArguments.AddRow(table, setting + (setting == best ? " (best fixed)" : string.Empty), final[setting]);
        }

        InspectTables.Console().Write(table);
        Terminal.Out.Flush();
        Save(result, best, targets);
        return ExitCode.Success;
    }

    private static Dictionary<Setting, LoadFigures> RunFinal(LoadedModel model, Workload workload, BatchingTargets targets, List<Setting> settings)
    {
        var runs = settings.ToDictionary(s => s, _ => new List<LoadFigures>());
        for (int round = 0; round < Rounds; round++)
        {
            foreach (Setting setting in settings)
            {
                BenchOutput.Progress($"round {round + 1} of {Rounds}: {setting}");
                runs[setting].Add(Measure(model, workload, targets, setting));
            }
        }

        BenchOutput.Progress(string.Empty);
        return runs.ToDictionary(r => r.Key, r => r.Value.OrderBy(f => f.GoodPart).ThenBy(f => f.TokensPerSecond).ElementAt(Rounds / 2));
    }

    private void Save(ParseResult result, Setting best, BatchingTargets targets)
    {
        if (result.GetValue(_output) is not { } path)
        {
            return;
        }

        File.WriteAllText(path, new SettingsFile
        {
            Batching = best.Batching,
            MaxNumSeqs = best.MaxNumSeqs,
            MaxNumBatchedTokens = best.MaxNumBatchedTokens,
            TargetItlMilliseconds = targets.InterToken.TotalMilliseconds,
            TargetTtftMilliseconds = targets.FirstToken?.TotalMilliseconds,
        }.ToJson() + Environment.NewLine);
    }

    private static LoadFigures Measure(LoadedModel model, Workload workload, BatchingTargets targets, Setting setting)
    {
        using LlmEngine engine = model.MakeEngine(Calibration.Options(model, setting.Batching, targets, setting.MaxNumSeqs, setting.MaxNumBatchedTokens));
        if (setting.Batching == BatchingMode.Adaptive)
        {
            engine.Probe();
        }

        return LoadFigures.Of(LoadRunner.Run(engine, workload.Make(), model.VocabSize, TimeProvider.System), targets);
    }

    private sealed record Setting(BatchingMode Batching, int MaxNumSeqs, int MaxNumBatchedTokens)
    {
        public override string ToString() => Batching == BatchingMode.Adaptive ? "adaptive" : $"{MaxNumSeqs} requests, {MaxNumBatchedTokens} tokens";
    }
}
