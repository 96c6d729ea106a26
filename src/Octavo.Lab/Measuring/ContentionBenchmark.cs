using Octavo.Formats;

namespace Octavo.Lab.Measuring;

/// <summary>Steps beside others that want the processors, too.</summary>
/// <param name="Loops">Busy loops that ran beside them.</param>
/// <param name="Alone">The median time of a step just before, undisturbed, in seconds.</param>
/// <param name="Median">The median time of a step beside them.</param>
/// <param name="Percentile99">The time that one step of a hundred took longer than.</param>
/// <param name="Began">When measuring beside them began.</param>
/// <param name="Ended">When it ended.</param>
/// <param name="Steps">Steps in between.</param>
internal sealed record ContentionMeasurement(
    int Loops, double Alone, double Median, double Percentile99, DateTimeOffset Began, DateTimeOffset Ended, int Steps)
{
    /// <summary>How many times as long as alone.</summary>
    public double Slowdown => Median / Alone;

    /// <summary>Steps a second.</summary>
    public double Rate => Steps / (Ended - Began).TotalSeconds;

    /// <summary>
    /// What fair sharing would cost: as many threads as processors, and the loops, on these processors.
    /// </summary>
    public double FairSlowdown(int processors) => (processors + Loops) / (double)processors;
}

/// <summary>
/// Times decode steps of a random model while busy loops, or another process, want the processors, too.
/// </summary>
internal sealed class ContentionBenchmark : IDisposable
{
    private readonly BenchedModel _benched;
    private readonly ModelBenchmark _model;
    private readonly StepKind _step;
    private readonly TimeSpan _duration;

    /// <summary>Makes the model.</summary>
    /// <param name="shape">Its widths.</param>
    /// <param name="options">How it is stored; the first batch and context are what is measured.</param>
    /// <param name="duration">How long each figure is measured.</param>
    public ContentionBenchmark(ModelShape shape, ModelBenchmarkOptions options, TimeSpan duration)
    {
        _duration = duration;
        _benched = BenchedModel.Random(shape);
        try
        {
            ModelBenchmarkOptions decode = options with { PromptTokens = 0 };
            _model = new ModelBenchmark(_benched, decode, MachineMemory.Read().Free);
            _step = _model.Steps[0];
        }
        catch
        {
            _benched.Dispose();
            throw;
        }
    }

    /// <summary>Times steps alone, then beside so many busy loops.</summary>
    public ContentionMeasurement Measure(int loops)
    {
        double alone = Median(_model.Times(_step, _duration));
        using var noise = new BusyLoops(loops);
        DateTimeOffset began = TimeProvider.System.GetUtcNow();
        IReadOnlyList<TimedStep> times = _model.Times(_step, _duration);
        return new ContentionMeasurement(
            loops, alone, Median(times), At(times, 0.99), began, TimeProvider.System.GetUtcNow(), times.Count);
    }

    /// <summary>Times steps until somebody has what is waited for.</summary>
    /// <returns>How many steps began in any span of time.</returns>
    public Func<DateTimeOffset, DateTimeOffset, int> CountUntil(Task done)
    {
        IReadOnlyList<TimedStep> times = _model.TimesUntil(_step, () => done.IsCompleted);
        return (began, ended) => times.Count(t => t.Began >= began && t.Began < ended);
    }

    public void Dispose()
    {
        _model.Dispose();
        _benched.Dispose();
    }

    private static double Median(IReadOnlyList<TimedStep> times) => At(times, 0.5);

    private static double At(IReadOnlyList<TimedStep> times, double fraction) =>
        times.Select(t => t.Seconds).Order().ElementAt((int)(fraction * (times.Count - 1)));

    /// <summary>Threads that do nothing but use up processor time.</summary>
    private sealed class BusyLoops : IDisposable
    {
        private readonly Thread[] _threads;
        private volatile bool _stop;

        public BusyLoops(int count)
        {
            _threads = [.. Enumerable.Range(0, count).Select(_ => new Thread(Spin) { IsBackground = true })];
            foreach (Thread thread in _threads)
            {
                thread.Start();
            }
        }

        public void Dispose()
        {
            _stop = true;
            foreach (Thread thread in _threads)
            {
                thread.Join();
            }
        }

        private void Spin()
        {
            while (!_stop)
            {
                // Nothing: that is what it is for.
            }
        }
    }
}
