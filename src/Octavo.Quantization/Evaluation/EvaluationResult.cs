namespace Octavo.Quantization.Evaluation;

/// <summary>A number with the interval that holds the true one in 95 of 100 cases.</summary>
/// <param name="Value">The estimate.</param>
/// <param name="Low">The lower end.</param>
/// <param name="High">The upper end.</param>
internal readonly record struct Estimate(double Value, double Low, double High)
{
    internal const double Quantile = 1.959964;   // of the normal distribution, 97.5%
}

/// <summary>How a model scores a text.</summary>
internal sealed record EvaluationResult
{
    /// <summary>The model.</summary>
    public required string Model { get; init; }

    /// <summary>Documents of the text.</summary>
    public required int Documents { get; init; }

    /// <summary>Tokens that were scored.</summary>
    public required int ScoredTokens { get; init; }

    /// <summary>e to the mean negative log-probability of the scored tokens.</summary>
    public required Estimate Perplexity { get; init; }

    /// <summary>The same by document.</summary>
    public required IReadOnlyList<double> PerplexityByDocument { get; init; }

    /// <summary>The comparison with a reference, where there was one.</summary>
    public ComparisonResult? Comparison { get; init; }
}

/// <summary>How a model's distributions differ from those of a reference.</summary>
internal sealed record ComparisonResult
{
    /// <summary>The reference.</summary>
    public required string Reference { get; init; }

    /// <summary>The reference's perplexity.</summary>
    public required Estimate Perplexity { get; init; }

    /// <summary>How much higher the model's perplexity is, as a fraction; from differences token by token.</summary>
    public required Estimate Increase { get; init; }

    /// <summary>
    /// Mean Kullback-Leibler divergence from the reference's next-token distribution to the model's, in nats.
    /// </summary>
    public required Estimate MeanKl { get; init; }

    /// <summary>The fraction of tokens at which both find the same next token likeliest.</summary>
    public required double Top1Agreement { get; init; }

    /// <summary>The largest divergence at a token.</summary>
    public required WorstToken Worst { get; init; }

    /// <summary>Divergences of all scored tokens, ascending.</summary>
    public required IReadOnlyList<float> Kl { get; init; }

    /// <summary>
    /// By layer: the relative error of the residual stream behind it, ‖model − reference‖ / ‖reference‖. Empty where
    /// the two are not made alike.
    /// </summary>
    public IReadOnlyList<double> LayerErrors { get; init; } = [];

    /// <summary>The divergence below which a fraction of the tokens lies.</summary>
    public float KlQuantile(double fraction) => Kl[(int)Math.Min(Kl.Count - 1, fraction * Kl.Count)];
}

/// <summary>The token at which a model differs most from its reference.</summary>
/// <param name="Kl">The divergence, in nats.</param>
/// <param name="Document">Its document, from 0.</param>
/// <param name="ContextIds">The last tokens before it.</param>
/// <param name="TokenId">What followed in the text.</param>
/// <param name="ReferenceTop">What the reference finds likeliest.</param>
/// <param name="ModelTop">What the model finds likeliest.</param>
internal sealed record WorstToken(
    double Kl, int Document, IReadOnlyList<int> ContextIds, int TokenId, int ReferenceTop, int ModelTop);
