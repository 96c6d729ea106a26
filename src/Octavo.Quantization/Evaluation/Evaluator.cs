
namespace Octavo.Quantization.Evaluation;

/// <summary>
/// Scores a text with a model, and compares its distributions with those of a reference, token by token.
/// </summary>
internal static class Evaluator
{
    private const int LogitsAtOnce = 1 << 25;   // floats of one model: 128 MiB
    private const int ContextShown = 24;
    private const int WindowsForLayers = 4;

    /// <summary>Evaluates.</summary>
    /// <param name="model">The model.</param>
    /// <param name="reference">What it is compared with, or null; of the same vocabulary.</param>
    /// <param name="windows">The text.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="QuantizationException">The two do not go together, or a token is not in the
    /// vocabulary.</exception>
    public static EvaluationResult Run(
        EvaluatedModel model, EvaluatedModel? reference, IReadOnlyList<TextWindow> windows,
        IProgress<BenchProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        Check(model, reference, windows);
        int vocabulary = model.Runner.VocabSize;
        int atOnce = Math.Clamp(LogitsAtOnce / vocabulary, 1, windows.Max(w => w.Ids.Length));
        float[] logits = new float[(long)atOnce * vocabulary];
        float[] expected = reference is null ? [] : new float[(long)atOnce * vocabulary];
        List<TokenScore> scores = [];
        WorstToken worst = new(-1, 0, [], 0, 0, 0);
        foreach (TextWindow window in windows)
        {
            for (int begin = 0; begin < window.Ids.Length; begin += atOnce)
            {
                cancellationToken.ThrowIfCancellationRequested();
                ReadOnlySpan<int> ids = window.Ids.AsSpan(begin, Math.Min(atOnce, window.Ids.Length - begin));
                model.Run(ids, begin, logits);
                reference?.Run(ids, begin, expected);
                Score(window, begin, ids.Length, logits, expected, vocabulary, scores, ref worst);
            }

            progress?.Report(
                new BenchProgress(scores.Count, windows.Sum(w => w.Ids.Length - w.FirstScored), "scoring"));
        }

        IReadOnlyList<double> layers = reference is null ? [] : LayerErrors.Measure(
            model, reference, [.. windows.Take(WindowsForLayers).Select(w => w.Ids)], cancellationToken);
        return Summarize(model, reference, scores, worst, layers);
    }

    private static void Check(EvaluatedModel model, EvaluatedModel? reference, IReadOnlyList<TextWindow> windows)
    {
        QuantizationException.ThrowIf(
            windows.Count == 0, "the text has no token to score: each document needs two at least");

        if (reference is not null && reference.Runner.VocabSize != model.Runner.VocabSize)
        {
            throw new QuantizationException(
                $"{model.Name} has a vocabulary of {model.Runner.VocabSize} and {reference.Name} one of "
                    + $"{reference.Runner.VocabSize}: their distributions cannot be compared");
        }

        int largest = windows.Max(w => w.Ids.Max());
        QuantizationException.ThrowIf(
            largest >= model.Runner.VocabSize,
            $"the text holds token {largest}, which is not in the vocabulary of {model.Runner.VocabSize}");
    }

    private static void Score(
        TextWindow window, int begin, int count, float[] logits, float[] expected, int vocabulary,
        List<TokenScore> scores, ref WorstToken worst)
    {
        int first = Math.Max(0, window.FirstScored - 1 - begin);
        int end = Math.Min(count, window.Ids.Length - 1 - begin);
        if (first >= end)
        {
            return;
        }

        var part = new TokenScore[end - first];
        Parallel.For(first, end, i =>
        {
            ReadOnlySpan<float> row = logits.AsSpan(i * vocabulary, vocabulary);
            ReadOnlySpan<float> wanted = expected.Length == 0 ? [] : expected.AsSpan(i * vocabulary, vocabulary);
            part[i - first] = TokenScore.Of(window.Document, window.Ids[begin + i + 1], row, wanted);
        });
        for (int i = 0; i < part.Length; i++)
        {
            if (part[i].Kl > worst.Kl)
            {
                int at = begin + first + i + 1;
                worst = new WorstToken(
                    part[i].Kl, window.Document, window.Ids[Math.Max(0, at - ContextShown)..at], window.Ids[at],
                    part[i].ReferenceTop, part[i].Top);
            }
        }

        scores.AddRange(part);
    }

    private static EvaluationResult Summarize(
        EvaluatedModel model, EvaluatedModel? reference, List<TokenScore> scores, WorstToken worst,
        IReadOnlyList<double> layers)
    {
        int[] clusters = [.. scores.Select(s => s.Document)];
        var result = new EvaluationResult
        {
            Model = model.Name,
            Documents = clusters.Distinct().Count(),
            ScoredTokens = scores.Count,
            Perplexity = Exponential(ClusteredMean(clusters, [.. scores.Select(s => s.Loss)]), 0),
            PerplexityByDocument = [.. scores.GroupBy(s => s.Document).Select(g => Math.Exp(g.Average(s => s.Loss)))],
        };
        if (reference is null)
        {
            return result;
        }

        float[] kl = [.. scores.Select(s => (float)s.Kl)];
        Array.Sort(kl);
        return result with
        {
            Comparison = new ComparisonResult
            {
                Reference = reference.Name,
                Perplexity = Exponential(ClusteredMean(clusters, [.. scores.Select(s => s.ReferenceLoss)]), 0),
                Increase = Exponential(ClusteredMean(clusters, [.. scores.Select(s => s.Loss - s.ReferenceLoss)]), 1),
                MeanKl = ClusteredMean(clusters, [.. scores.Select(s => s.Kl)]),
                Top1Agreement = scores.Average(s => s.Top == s.ReferenceTop ? 1.0 : 0.0),
                Worst = worst,
                Kl = kl,
                LayerErrors = layers,
            },
        };
    }

    private static Estimate Exponential(Estimate e, double minus) =>
        new(Math.Exp(e.Value) - minus, Math.Exp(e.Low) - minus, Math.Exp(e.High) - minus);

    /// <summary>
    /// The mean over tokens, with an interval whose standard error takes documents as the independent units (the
    /// linearized ratio estimator of cluster samples).
    /// </summary>
    internal static Estimate ClusteredMean(ReadOnlySpan<int> clusters, ReadOnlySpan<double> values)
    {
        double sum = 0;
        foreach (double value in values)
        {
            sum += value;
        }

        double mean = sum / values.Length;
        Dictionary<int, double> residuals = [];
        for (int i = 0; i < values.Length; i++)
        {
            residuals[clusters[i]] = residuals.GetValueOrDefault(clusters[i]) + (values[i] - mean);
        }

        double n = residuals.Count;
        double error = n < 2
            ? double.PositiveInfinity
            : Math.Sqrt(n / (n - 1) * residuals.Values.Sum(r => r * r)) / values.Length;
        return new Estimate(mean, mean - (Estimate.Quantile * error), mean + (Estimate.Quantile * error));
    }

    /// <summary>What is kept of one token's distributions.</summary>
    private readonly record struct TokenScore(
        int Document, double Loss, double ReferenceLoss, double Kl, int Top, int ReferenceTop)
    {
        public static TokenScore Of(int document, int next, ReadOnlySpan<float> logits, ReadOnlySpan<float> expected)
        {
            (double logSum, int top) = LogSumExp(logits);
            if (expected.Length == 0)
            {
                return new TokenScore(document, logSum - logits[next], 0, 0, top, top);
            }

            (double expectedLogSum, int expectedTop) = LogSumExp(expected);
            double kl = 0;
            for (int i = 0; i < logits.Length; i++)
            {
                double logP = expected[i] - expectedLogSum;
                kl += Math.Exp(logP) * (logP - (logits[i] - logSum));
            }

            return new TokenScore(
                document, logSum - logits[next], expectedLogSum - expected[next], Math.Max(0, kl), top, expectedTop);
        }

        private static (double LogSum, int Top) LogSumExp(ReadOnlySpan<float> logits)
        {
            int top = 0;
            for (int i = 1; i < logits.Length; i++)
            {
                top = logits[i] > logits[top] ? i : top;
            }

            double sum = 0;
            foreach (float logit in logits)
            {
                sum += Math.Exp((double)logit - logits[top]);
            }

            return (logits[top] + Math.Log(sum), top);
        }
    }
}
