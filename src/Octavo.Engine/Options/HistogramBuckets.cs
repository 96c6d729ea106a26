namespace Octavo.Engine;

/// <summary>
/// The bounds of the engine's histograms, by vLLM's families: what its option <c>--custom-histogram-buckets</c> may
/// replace.
/// </summary>
/// <param name="custom">The bounds that replace the usual ones.</param>
/// <param name="maxModelLen">The longest sequence, in tokens.</param>
internal sealed class HistogramBuckets(IReadOnlyDictionary<string, IReadOnlyList<double>> custom, int maxModelLen)
{
    public const string RequestLatency = "request_latency";
    public const string TimeToFirstToken = "time_to_first_token";
    public const string InterTokenLatency = "inter_token_latency";
    public const string IterationTokens = "iteration_tokens";
    public const string RequestParamsN = "request_params_n";
    public const string RequestNumPreemptions = "request_num_preemptions";
    public const string RequestTokens = "request_tokens";

    // Family -> bounds; those of request_tokens follow the model's length.
    private static readonly Dictionary<string, double[]> Defaults = new(StringComparer.Ordinal)
    {
        [RequestLatency] = [.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680],
        [TimeToFirstToken] =
            [.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560],
        [InterTokenLatency] = [.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80],
        [IterationTokens] = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384],
        [RequestParamsN] = [1, 2, 5, 10, 20],
        [RequestNumPreemptions] = [1, 2, 3, 4, 5, 10, 20],
    };

    /// <summary>A family's bounds.</summary>
    public double[] this[string family] =>
        custom.TryGetValue(family, out IReadOnlyList<double>? own) ? [.. own]
        : family == RequestTokens ? OneTwoFive(maxModelLen)
        : Defaults[family];

    /// <summary>What is wrong with bounds that replace a family's; null where they are right.</summary>
    public static string? FindFault(IReadOnlyDictionary<string, IReadOnlyList<double>> buckets)
    {
        foreach ((string family, IReadOnlyList<double>? bounds) in buckets)
        {
            if (family != RequestTokens && !Defaults.ContainsKey(family))
            {
                return $"unknown family {family}; known: {string.Join(", ", Defaults.Keys.Append(RequestTokens))}";
            }

            bool rises = bounds?.Zip(bounds.Skip(1)).All(b => b.First < b.Second) == true;
            if (!rises || bounds!.Count == 0 || bounds[0] <= 0 || !bounds.All(double.IsFinite))
            {
                return $"the bounds of {family} must be above 0, finite, and each greater than the one before";
            }
        }

        return null;
    }

    /// <summary>1, 2 and 5 times the powers of ten up to the model's length, as vLLM has them.</summary>
    private static double[] OneTwoFive(int most)
    {
        var buckets = new List<double>();
        for (double scale = 1; scale <= most; scale *= 10)
        {
            buckets.AddRange(new[] { 1, 2, 5 }.Select(m => m * scale).Where(b => b <= most));
        }

        return [.. buckets];
    }
}
