using System.Runtime.CompilerServices;

namespace Octavo.Engine.Batching;

/// <summary>
/// Predicts how long a step takes from its <see cref="StepLoad"/>, and learns from each step that was run: recursive
/// least squares with forgetting, in information form.
/// </summary>
/// <remarks>
/// <para>The terms: a constant (weights are read once a step, threads meet at barriers); the rows of the matrix
/// products, in three ranges of which each has its own slope, since a few rows hide behind the reading of the weights
/// and many are bound by arithmetic; rows of the output head with their sampling; keys and values read by decoding
/// sequences (memory); pairs of query and key in prompts (arithmetic). All are costs, so no coefficient is
/// negative.</para>
/// <para>Errors count relative to the prediction. What is known is <c>A = Σ λ^age w x xᵀ</c> and <c>b = Σ λ^age w x
/// y</c> beside a weak prior that is not forgotten: a server that decodes at one batch size for an hour forgets what it
/// does not see, and without the prior its covariance would blow up. An error beyond 2.5 times the usual weighs less
/// (Huber). Where most steps miss on the same side, the machine has changed: then every step counts in full and the
/// past fades fast.</para>
/// </remarks>
internal sealed class StepTimeModel
{
    /// <summary>How many terms there are.</summary>
    public const int NumTerms = 7;

    private const int N = NumTerms;
    private const int FewRows = 8;           // below: hidden behind the reading of the weights
    private const int ManyRows = 32;         // beyond: bound by arithmetic on every machine that we know
    private const double Forgetting = 0.995;
    private const double FastForgetting = 0.9;       // once most steps miss on the same side
    private const double OneSided = 0.7;
    private const double PriorStrength = 0.01;
    private const double GuessStrength = 1e-4;
    private const double UsualErrors = 2.5;
    private const double LeastError = 0.02;
    private const double ErrorSpeed = 0.05;
    private const int FitRounds = 5;
    private const int MostTries = 3 * N;             // to find the terms that are not 0
    private const double Tolerance = 1e-6;
    private const double UnknownSeconds = 0.1;      // what any term may cost before anything is known
    private const double LeastSeconds = 1e-7;

    // A load of ordinary size in each term, which says how much an unknown coefficient may matter.
    private static readonly double[] Typical = [1, FewRows, ManyRows - FewRows, 256, 32, 16, 4];

    private readonly double[] _a = new double[N * N];
    private readonly double[] _b = new double[N];
    private readonly double[] _theta = new double[N];
    private readonly double[] _prior = new double[N];
    private readonly double[] _priorWeight = new double[N];
    private readonly double[] _x = new double[N];
    private double _side;                            // moving mean of: slower (1) or faster (-1) than predicted

    public StepTimeModel()
    {
        for (int i = 0; i < N; i++)
        {
            double scale = UnknownSeconds / Typical[i];
            _priorWeight[i] = PriorStrength / (scale * scale);
        }
    }

    /// <summary>The terms' names, in the order of <see cref="Coefficients"/>.</summary>
    public static IReadOnlyList<string> Terms { get; } =
        ["constant", "rows_to_8", "rows_to_32", "rows_beyond", "logits_rows", "kv_tokens_1024", "prefill_pairs_65536"];

    /// <summary>Seconds a unit of each term.</summary>
    public ReadOnlySpan<double> Coefficients => _theta;

    /// <summary>Steps learned from.</summary>
    public long Observations { get; private set; }

    /// <summary>The moving mean of |actual / predicted − 1|, as predictions were made before their step.</summary>
    public double RelativeError { get; private set; } = 0.1;

    /// <summary>A model with given coefficients, such as a simulator's truth.</summary>
    public static StepTimeModel Of(ReadOnlySpan<double> coefficients)
    {
        var model = new StepTimeModel();
        model.SetPrior(coefficients);
        return model;
    }

    /// <summary>The expected time of a step, in seconds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public double Predict(in StepLoad load)
    {
        Span<double> x = stackalloc double[N];
        Fill(load, x);
        double sum = 0;
        for (int i = 0; i < N; i++)
        {
            sum += _theta[i] * x[i];
        }

        return Math.Max(sum, LeastSeconds);
    }

    /// <summary>Learns from a step that was run.</summary>
    /// <returns>What it had been predicted to take.</returns>
    public double Observe(in StepLoad load, double seconds)
    {
        seconds = Math.Max(seconds, LeastSeconds);
        double predicted = Predict(load);
        double error = Math.Abs((seconds / predicted) - 1);
        double usual = Math.Max(RelativeError, LeastError);
        bool warm = Observations >= N;
        _side += ErrorSpeed * ((error > LeastError ? Math.Sign(seconds - predicted) : 0) - _side);
        bool changed = Math.Abs(_side) > OneSided;
        double weight = warm && !changed ? Math.Min(1, UsualErrors * usual / Math.Max(error, LeastError)) : 1;
        RelativeError = warm
            ? RelativeError + (ErrorSpeed * (Math.Min(error, 4 * usual) - RelativeError))
            : RelativeError;
        Observations++;
        Accumulate(load, seconds, warm ? predicted : seconds, weight, changed ? FastForgetting : Forgetting);
        Solve();
        return predicted;
    }

    /// <summary>
    /// Forgets what was learned step by step, and learns from all of these at once, each counting the same: for a
    /// machine that does not change between them. <see cref="RelativeError"/> stays: these steps were not predicted.
    /// </summary>
    public void Fit(IReadOnlyCollection<(StepLoad Load, double Seconds)> steps)
    {
        if (steps.Count == 0)
        {
            return;
        }

        double usual = double.PositiveInfinity;          // so at first each counts in full
        for (int round = 0; round < FitRounds; round++)
        {
            Array.Clear(_a);
            Array.Clear(_b);
            foreach ((StepLoad load, double seconds) in steps)
            {
                double known = Math.Max(seconds, LeastSeconds);
                double scale = round == 0 ? known : Math.Clamp(Predict(load), known / 2, 2 * known);
                double weight = Math.Min(1, UsualErrors * usual / Math.Max(FitError(load, known), LeastError));
                Accumulate(load, known, scale, weight, forgetting: 1);
            }

            Solve();
            usual = Math.Max(LeastError, steps.Average(s => Math.Min(1, FitError(s.Load, s.Seconds))));
        }

        (Observations, _side) = (steps.Count, 0);
    }

    /// <summary>Begins with these coefficients, as a prior that is never forgotten.</summary>
    /// <param name="coefficients">Seconds a unit of each term.</param>
    /// <param name="guessed">Whether they are only about right: then they count where no step tells otherwise.</param>
    public void SetPrior(ReadOnlySpan<double> coefficients, bool guessed = false)
    {
        if (coefficients.Length != N)
        {
            throw new ArgumentException($"{coefficients.Length} coefficients for {N} terms", nameof(coefficients));
        }

        coefficients.CopyTo(_theta);
        Observations = Math.Max(Observations, 1);

        // A small step; no term alone, since any may be 0.
        double total = Predict(StepLoad.Decode(FewRows, 512 * FewRows));
        for (int i = 0; i < N; i++)
        {
            double scale = Math.Max(_theta[i], 0.1 * total / Typical[i]);
            _prior[i] = _theta[i];
            _priorWeight[i] = (guessed ? GuessStrength : PriorStrength) / (scale * scale);
        }
    }

    /// <summary>
    /// Relative to what was measured: at most 1 where the prediction is far too low, so that a bad start recovers.
    /// </summary>
    private double FitError(in StepLoad load, double seconds) =>
        Math.Abs((Predict(load) / Math.Max(seconds, LeastSeconds)) - 1);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Fill(in StepLoad load, Span<double> x)
    {
        x[0] = 1;
        x[1] = Math.Min(load.Tokens, FewRows);
        x[2] = Math.Clamp(load.Tokens - FewRows, 0, ManyRows - FewRows);
        x[3] = Math.Max(load.Tokens - ManyRows, 0);
        x[4] = load.LogitsRows;
        x[5] = load.KvTokens / 1024.0;
        x[6] = load.PrefillPairs / 65536.0;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Accumulate(in StepLoad load, double seconds, double scale, double weight, double forgetting)
    {
        Fill(load, _x);
        double w = weight / (scale * scale);
        for (int i = 0; i < N; i++)
        {
            _b[i] = (forgetting * _b[i]) + (w * _x[i] * seconds);
            for (int j = 0; j < N; j++)
            {
                _a[(i * N) + j] = (forgetting * _a[(i * N) + j]) + (w * _x[i] * _x[j]);
            }
        }
    }

    /// <summary>
    /// Least squares without negative coefficients: solves for all terms, and again without the most negative one until
    /// none is; then a term that was left out is tried again where the error would fall with it, as in Lawson and
    /// Hanson's method.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Solve()
    {
        uint free = (1u << N) - 1;
        for (int tries = 0; tries < MostTries; tries++)
        {
            SolveFree(free);
            int worst = -1;
            for (int i = 0; i < N; i++)
            {
                worst = _x[i] * Typical[i] < (worst < 0 ? 0 : _x[worst] * Typical[worst]) ? i : worst;
            }

            if (worst >= 0)
            {
                free &= ~(1u << worst);
                continue;
            }

            _x.CopyTo(_theta, 0);
            int wanted = MostWanted(free);
            if (wanted < 0)
            {
                return;
            }

            free |= 1u << wanted;
        }
    }

    /// <summary>The term left out of a solution with which the error would fall fastest; -1 where with none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int MostWanted(uint free)
    {
        int best = -1;
        double most = 0;
        for (int i = 0; i < N; i++)
        {
            if ((free >> i & 1) != 0)
            {
                continue;
            }

            double slope = _b[i] + (_priorWeight[i] * (_prior[i] - _theta[i]));
            double tolerance = Tolerance * Math.Abs(slope);
            for (int j = 0; j < N; j++)
            {
                slope -= _a[(i * N) + j] * _theta[j];
            }

            if (slope > tolerance && slope / Typical[i] > most)
            {
                (best, most) = (i, slope / Typical[i]);
            }
        }

        return best;
    }

    /// <summary>
    /// Solves the normal equations of the free terms by Cholesky's method into <see cref="_x"/>; the others are 0.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void SolveFree(uint free)
    {
        Span<double> l = stackalloc double[N * N];
        l.Clear();
        for (int i = 0; i < N; i++)
        {
            bool used = (free >> i & 1) != 0;
            _x[i] = used ? _b[i] + (_priorWeight[i] * _prior[i]) : 0;
            for (int j = 0; j <= i; j++)
            {
                bool both = used && (free >> j & 1) != 0;
                double sum = both ? _a[(i * N) + j] + (i == j ? _priorWeight[i] : 0) : i == j ? 1 : 0;
                for (int k = 0; k < j; k++)
                {
                    sum -= l[(i * N) + k] * l[(j * N) + k];
                }

                l[(i * N) + j] = i == j ? Math.Sqrt(Math.Max(sum, double.Epsilon)) : sum / l[(j * N) + j];
            }
        }

        for (int i = 0; i < N; i++)
        {
            for (int k = 0; k < i; k++)
            {
                _x[i] -= l[(i * N) + k] * _x[k];
            }

            _x[i] /= l[(i * N) + i];
        }

        for (int i = N - 1; i >= 0; i--)
        {
            for (int k = i + 1; k < N; k++)
            {
                _x[i] -= l[(k * N) + i] * _x[k];
            }

            _x[i] /= l[(i * N) + i];
        }
    }
}
