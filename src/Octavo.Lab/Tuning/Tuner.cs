using System.Diagnostics;
using System.Globalization;
using Octavo.Lab.Workloads;

namespace Octavo.Lab.Tuning;

/// <summary>How far a tuning is.</summary>
/// <param name="Done">Milliseconds spent.</param>
/// <param name="Total">Milliseconds in all, as far as is known.</param>
/// <param name="Doing">The run that begins.</param>
internal readonly record struct TuneProgress(long Done, long Total, string Doing);

/// <summary>
/// Finds the best fixed limits by successive halving: all settings run shortly, a third of them longer, until three are
/// left. These, vLLM's defaults and adaptive batching run in turn, several rounds; then the best runs against the next
/// once more.
/// </summary>
/// <remarks>
/// All that it decides follows from what the trials found, so that a search that was stopped goes on from their record.
/// </remarks>
internal sealed class Tuner(
    TunePlan plan,
    TuneState state,
    Func<TuneTrial,
    LoadFigures> measure,
    IProgress<TuneProgress> progress,
    Action<string>? say = null)
{
    private const double MuchLonger = 1.5;
    private const double Overtime = 1.5;

    private readonly Dictionary<BatchSetting, Measured> _searched = [];
    private double _secondsPerRequest;
    private double _done;           // seconds of this process
    private double _left;           // seconds that are still planned
    private int _measurements;

    /// <summary>Tunes.</summary>
    public TuneResult Run()
    {
        _left = plan.Budget;
        if (state.Find(plan.WarmUp) is not null)
        {
            measure(plan.WarmUp);       // this process is cold all the same
        }

        LoadFigures warm = Run(plan.WarmUp);
        _secondsPerRequest = warm.TokensPerSecond > 0 ? plan.MeanOutput / warm.TokensPerSecond : plan.WarmUp.Seconds;
        IReadOnlyList<BatchSetting> settings = plan.Settings(_secondsPerRequest);
        _left = plan.TotalSeconds(settings.Count, _secondsPerRequest);
        if (_left > MuchLonger * plan.Budget)
        {
            say?.Invoke(string.Create(
                CultureInfo.InvariantCulture,
                $"a request takes {_secondsPerRequest:G2} s, and fewer than {TunePlan.LeastRequests} a run say "
                    + $"nothing: this takes about {_left / 60:F0} minutes, longer than --time"));
        }

        IReadOnlyList<BatchSetting> finalists = Search(settings);
        Measured first = _searched[finalists[0]];
        _secondsPerRequest = first.Runs[0].Completed > 0
            ? first.Runs[0].Seconds / first.Runs[0].Completed
            : _secondsPerRequest;
        List<BatchSetting> final = [.. finalists];
        if (!final.Contains(BatchSetting.VllmDefaults) && settings.Contains(BatchSetting.VllmDefaults))
        {
            final.Add(BatchSetting.VllmDefaults);
        }

        final.Add(BatchSetting.Adaptive);
        _left = (final.Count + Math.Min(TunePlan.Compared, final.Count - 1)) * TunePlan.Rounds * plan
            .Final(0, final[0], _secondsPerRequest).Seconds;
        return Finish(InTurn(final, plan.Final));
    }

    private IReadOnlyList<BatchSetting> Search(IReadOnlyList<BatchSetting> settings)
    {
        IReadOnlyList<BatchSetting> left = settings;
        for (int stage = 0; stage == 0 || left.Count > TunePlan.Finalists; stage++)
        {
            List<Measured> runs = [];
            foreach (BatchSetting setting in left)
            {
                Measured run = new(setting, [Run(plan.Search(stage, setting, settings.Count, _secondsPerRequest))]);
                runs.Add(run);
                _searched[setting] = run;
            }

            left = [.. Measured.Rank(runs).Take(TunePlan.Survivors(left.Count)).Select(m => m.Setting)];
        }

        return left;
    }

    private TuneResult Finish(IReadOnlyList<Measured> final)
    {
        IReadOnlyList<Measured> ranked = Measured.Rank(final.Where(m => m.Setting.Batching == BatchingMode.Fixed));
        Confirmation? confirmation = null;
        BatchSetting best = ranked[0].Setting;
        if (ranked.Count > 1)
        {
            confirmation = Confirm(best, ranked[1].Setting);
            best = confirmation.Holds ? best : ranked[1].Setting;
        }

        Measured[] others = [.. _searched.Values.Where(m => final.All(f => f.Setting != m.Setting))];
        return new TuneResult(
            others,
            [.. ranked, .. final.Where(m => m.Setting.Batching == BatchingMode.Adaptive)],
            best,
            confirmation,
            _measurements);
    }

    private Confirmation Confirm(BatchSetting best, BatchSetting next)
    {
        Confirmation confirmation = Run(TunePlan.Rounds);
        for (int rounds = TunePlan.Rounds + 1;
            rounds <= TunePlan.MostRounds && !confirmation.IsDecided && _done < Overtime * plan.Budget;
            rounds++)
        {
            confirmation = Run(rounds);
        }

        return confirmation;

        // Those that have been run are known.
        Confirmation Run(int rounds)
        {
            IReadOnlyList<Measured> two = InTurn([best, next], plan.Confirm, rounds);
            return new Confirmation(two[0], two[1]);
        }
    }

    // Every other round goes backwards, so that none always runs behind the same one.
    private IReadOnlyList<Measured> InTurn(
        IReadOnlyList<BatchSetting> settings,
        Func<int,
        BatchSetting,
        double,
        TuneTrial> trial,
        int rounds = TunePlan.Rounds)
    {
        var runs = settings.ToDictionary(s => s, _ => new List<LoadFigures>());
        for (int round = 0; round < rounds; round++)
        {
            foreach (BatchSetting setting in round % 2 == 0 ? settings : settings.Reverse())
            {
                runs[setting].Add(Run(trial(round, setting, _secondsPerRequest)));
            }
        }

        return [.. settings.Select(s => new Measured(s, runs[s]))];
    }

    private LoadFigures Run(TuneTrial trial)
    {
        LoadFigures? figures = state.Find(trial);
        if (figures is null)
        {
            progress.Report(new TuneProgress(
                Milliseconds(_done), Milliseconds(_done + Math.Max(_left, trial.Seconds)),
                $"{trial.Stage}: {trial.Setting}"));
            long began = Stopwatch.GetTimestamp();
            figures = measure(trial);
            _done += Stopwatch.GetElapsedTime(began).TotalSeconds;
            _measurements++;
            state.Add(trial, figures);
        }

        _left -= trial.Seconds;
        return figures;
    }

    private static long Milliseconds(double seconds) => (long)(seconds * 1000);
}
