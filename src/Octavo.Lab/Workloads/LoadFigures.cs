
namespace Octavo.Lab.Workloads;

/// <summary>When things happened to one request of a load, in seconds from the load's start.</summary>
internal sealed class RequestRecord(WorkloadRequest request)
{
    private double _last;

    /// <summary>The request.</summary>
    public WorkloadRequest Request { get; } = request;

    /// <summary>When its first token came; NaN before.</summary>
    public double FirstToken { get; private set; } = double.NaN;

    /// <summary>When it ended; NaN before.</summary>
    public double End { get; private set; } = double.NaN;

    /// <summary>True where it was refused or called off.</summary>
    public bool Failed { get; private set; }

    /// <summary>Tokens generated.</summary>
    public int Tokens { get; private set; }

    /// <summary>Seconds between its tokens.</summary>
    public List<float> Gaps { get; } = [];

    /// <summary>Seconds from arrival to its first token.</summary>
    public double TimeToFirstToken => FirstToken - Request.Arrival;

    /// <summary>Notes a token.</summary>
    /// <exception cref="InvalidOperationException">It has ended before.</exception>
    public void Token(double now)
    {
        if (!double.IsNaN(End))
        {
            throw new InvalidOperationException("a request has ended and goes on");
        }

        if (Tokens++ == 0)
        {
            FirstToken = now;
        }
        else
        {
            Gaps.Add((float)(now - _last));
        }

        _last = now;
    }

    /// <summary>Notes the end.</summary>
    /// <exception cref="InvalidOperationException">It has ended before.</exception>
    public void Finish(double now, bool failed = false)
    {
        if (!double.IsNaN(End))
        {
            throw new InvalidOperationException("a request has ended twice");
        }

        (End, Failed) = (now, failed);
    }

    /// <summary>
    /// True where it ended well, and first token and 95th percentile of the gaps kept to the targets.
    /// </summary>
    public bool Meets(BatchingTargets targets)
    {
        return !Failed && !double.IsNaN(End)
            && (targets.FirstToken is not { } first || TimeToFirstToken <= first.TotalSeconds)
            && (Gaps.Count == 0 || Quantile.Of(Gaps, targets.Percentile) <= targets.InterToken.TotalSeconds);
    }
}

/// <summary>What a load test found; times in seconds.</summary>
internal sealed record LoadFigures
{
    /// <summary>From the first arrival to the last end.</summary>
    public required double Seconds { get; init; }

    /// <summary>Requests that ended well.</summary>
    public required int Completed { get; init; }

    /// <summary>Requests refused or called off.</summary>
    public required int Failed { get; init; }

    /// <summary>Generated tokens a second.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Requests a second that ended well and met the targets.</summary>
    public required double Goodput { get; init; }

    /// <summary>The part of all requests that did.</summary>
    public required double GoodPart { get; init; }

    /// <summary>Time to first token: median, 95th and 99th percentile.</summary>
    public required (double P50, double P95, double P99) TimeToFirstToken { get; init; }

    /// <summary>Between two tokens: median, 95th and 99th percentile of all gaps.</summary>
    public required (double P50, double P95, double P99) InterTokenLatency { get; init; }

    /// <summary>Sums records up.</summary>
    public static LoadFigures Of(IReadOnlyList<RequestRecord> records, BatchingTargets targets)
    {
        RequestRecord[] ended = [.. records.Where(r => !r.Failed && !double.IsNaN(r.End))];
        double start = records.Count == 0 ? 0 : records.Min(r => r.Request.Arrival);
        double seconds = Math.Max(
            1e-9, records.Select(r => r.End).Where(end => !double.IsNaN(end)).DefaultIfEmpty(start).Max() - start);
        List<float> gaps = [.. records.SelectMany(r => r.Gaps)];
        List<float> first = [.. ended.Select(r => (float)r.TimeToFirstToken)];
        int good = ended.Count(r => r.Meets(targets));
        return new LoadFigures
        {
            Seconds = seconds,
            Completed = ended.Length,
            Failed = records.Count - ended.Length,
            TokensPerSecond = records.Sum(r => (long)r.Tokens) / seconds,
            Goodput = good / seconds,
            GoodPart = records.Count == 0 ? 0 : (double)good / records.Count,
            TimeToFirstToken = Three(first),
            InterTokenLatency = Three(gaps),
        };
    }

    /// <summary>
    /// The median of each figure over several runs; where their number is even, the mean of the two in the middle,
    /// counts rounded.
    /// </summary>
    /// <exception cref="ArgumentException">There is no run.</exception>
    public static LoadFigures Medians(IReadOnlyList<LoadFigures> runs)
    {
        if (runs.Count == 0)
        {
            throw new ArgumentException("there is no run to take a median of", nameof(runs));
        }

        return new LoadFigures
        {
            Seconds = Median(r => r.Seconds),
            Completed = (int)Math.Round(Median(r => r.Completed)),
            Failed = (int)Math.Round(Median(r => r.Failed)),
            TokensPerSecond = Median(r => r.TokensPerSecond),
            Goodput = Median(r => r.Goodput),
            GoodPart = Median(r => r.GoodPart),
            TimeToFirstToken = MedianOfThree(r => r.TimeToFirstToken),
            InterTokenLatency = MedianOfThree(r => r.InterTokenLatency),
        };

        double Median(Func<LoadFigures, double> figure) => LoadFigures.Median([.. runs.Select(figure)]);

        (double P50, double P95, double P99) MedianOfThree(
            Func<LoadFigures, (double P50, double P95, double P99)> figures) =>
            (Median(r => figures(r).P50), Median(r => figures(r).P95), Median(r => figures(r).P99));
    }

    /// <summary>The middle of some values; where their number is even, the mean of the two in the middle.</summary>
    /// <exception cref="ArgumentException">There is no value.</exception>
    public static double Median(IReadOnlyCollection<double> values)
    {
        if (values.Count == 0)
        {
            throw new ArgumentException("there is no value to take a median of", nameof(values));
        }

        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static (double P50, double P95, double P99) Three(List<float> values)
    {
        values.Sort();
        return (Quantile.OfSorted(values, 0.5), Quantile.OfSorted(values, 0.95), Quantile.OfSorted(values, 0.99));
    }
}

/// <summary>Quantiles: the smallest value that at least this part of all does not exceed.</summary>
internal static class Quantile
{
    public static double Of(List<float> values, double part)
    {
        List<float> sorted = [.. values];
        sorted.Sort();
        return OfSorted(sorted, part);
    }

    public static double OfSorted(List<float> sorted, double part) =>
        sorted.Count == 0 ? 0 : sorted[Math.Clamp((int)Math.Ceiling(part * sorted.Count) - 1, 0, sorted.Count - 1)];
}
