using System.Globalization;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Sublayers;
using Octavo.Cpu.Weights;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Quantization.Calibration;
using Octavo.Quantization.Methods;
using Octavo.Quantization.Workbench;

namespace Octavo.Quantization.Planning;

/// <summary>
/// Chooses a scheme for each layer's matrices: the cheapest assignment whose loss stays within a budget.
/// </summary>
/// <remarks>
/// How much the matrices that share an input matter is measured as the divergence that they alone cause, quantized, in
/// a model that is otherwise as it was: divergences of small changes add up and are not noisy. What a divergence means
/// in perplexity is learnt once, from the model that is quantized throughout. Matrices then go up from the cheapest
/// scheme to eight bits, and from there to none, those first that give back the most for their bits, until the sum is
/// within the budget; and until the whole, quantized so and measured, is.
/// </remarks>
internal sealed class PrecisionPlanner : IDisposable
{
    private const int SamplesForSensitivity = 8;
    private const double BitsUnquantized = 16;

    private readonly DisposableStack _owned = new();
    private readonly QuantizationRecipe _recipe;
    private readonly CalibrationSet _calibration;
    private readonly IProgress<BenchProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly Checkpoint _checkpoint;
    private readonly DecoderSpec _spec;
    private readonly LayerWalk _walk;
    private readonly StreamComparison _comparison;
    private readonly WeightScheme?[] _candidates;
    private readonly List<Stack> _stacks = [];
    private long _done;

    private PrecisionPlanner(
        ModelSource source, QuantizationRecipe recipe, CalibrationSet calibration,
        IProgress<BenchProgress>? progress, CancellationToken cancellationToken)
    {
        (_calibration, _progress, _cancellation) = (calibration, progress, cancellationToken);
        _checkpoint = _owned.Add(ModelQuantizer.OpenUnquantized(source));
        _spec = ModelCatalog.Describe(source, _checkpoint).Spec;
        _recipe = recipe.For(_spec, out _);
        _walk = _owned.Add(new LayerWalk(_spec, calibration.Length));
        _comparison = _owned.Add(new StreamComparison(_spec, _checkpoint, _walk));
        WeightScheme eight = _recipe.Scheme with { Code = WeightCode.Int8 };
        _candidates = _recipe.Scheme == eight ? [eight, null] : [_recipe.Scheme, eight, null];
    }

    /// <summary>Chooses.</summary>
    /// <param name="source">The model.</param>
    /// <param name="recipe">The recipe, whose scheme is the cheapest.</param>
    /// <param name="calibration">The calibration text.</param>
    /// <param name="maxLoss">The most that the perplexity may rise, as a fraction.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="QuantizationException">The model is quantized already.</exception>
    public static PrecisionPlan Choose(
        ModelSource source, QuantizationRecipe recipe, CalibrationSet calibration, double maxLoss,
        IProgress<BenchProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using var planner = new PrecisionPlanner(source, recipe, calibration, progress, cancellationToken);
        return planner.Choose(maxLoss);
    }

    /// <inheritdoc/>
    public void Dispose() => _owned.Dispose();

    private PrecisionPlan Choose(double maxLoss)
    {
        MeasureSensitivities();
        (double loss, _) = Measure(_recipe);
        double lossPerKl = Math.Max(loss, 0) / Math.Max(_stacks.Sum(s => s.Kl[0]), double.Epsilon);
        double budget = Math.Log(1 + maxLoss);

        double allowed = budget;
        while (true)
        {
            while (Predicted() > allowed && Raise())
            {
                // One stack after another.
            }

            QuantizationRecipe chosen = Chosen();
            bool plain = _stacks.TrueForAll(s => s.Chosen == _candidates.Length - 1);
            double measured = plain ? 0 : chosen.Exceptions.Count == 0 ? loss : Measure(chosen).Loss;
            if (measured <= budget || plain)
            {
                return new PrecisionPlan(
                    chosen, [.. _stacks.Select(s => ChoiceOf(s, lossPerKl))], Math.Exp(Predicted()) - 1,
                    Math.Exp(measured) - 1);
            }

            // A round that misses tightens what may be predicted by as much as it missed, and by one stack at least.
            allowed = Math.Min(allowed, Predicted() * budget / measured);
            Raise();
        }

        double Predicted() => _stacks.Sum(s => s.Kl[s.Chosen]) * lossPerKl;
    }

    /// <summary>
    /// Takes the stack that gives back most for its bits one candidate up; false where all are at the top.
    /// </summary>
    private bool Raise()
    {
        Stack? next = _stacks.Where(s => s.Chosen < _candidates.Length - 1).MaxBy(GainPerBit);
        if (next is not null)
        {
            next.Chosen++;
        }

        return next is not null;
    }

    private PrecisionChoice ChoiceOf(Stack stack, double lossPerKl) => new(
        stack.Layer, Words(stack.Linear), stack.Linear.WeightCount, _candidates[stack.Chosen],
        stack.Kl[stack.Chosen] * lossPerKl, stack.Kl[0] * lossPerKl);

    private static string Words(LinearSpec linear) =>
        string.Join(", ", linear.Matrices.Select(matrix => matrix.Role.ToShortName()));

    private double GainPerBit(Stack stack)
    {
        double bits =
            (Bits(_candidates[stack.Chosen + 1]) - Bits(_candidates[stack.Chosen])) * stack.Linear.WeightCount;
        return (stack.Kl[stack.Chosen] - stack.Kl[stack.Chosen + 1]) / bits;
    }

    private static double Bits(WeightScheme? scheme) => scheme?.BitsPerWeight ?? BitsUnquantized;

    private QuantizationRecipe Chosen() => _recipe with
    {
        Exceptions =
            _stacks.Where(s => s.Chosen > 0).ToDictionary(s => (s.Layer, s.Linear.Role), s => _candidates[s.Chosen]),
    };

    /// <summary>For each stack and scheme: the divergence that it alone causes.</summary>
    /// <remarks>
    /// What a layer's stacks and schemes make of the streams goes through the later layers together, each of which is
    /// packed for that and given back: two layers are in memory at most, whatever the model has.
    /// </remarks>
    private void MeasureSensitivities()
    {
        CalibrationSet fit = _calibration.Where(i => i % 2 == 0), held = Held();
        using var observed = new CalibrationStreams(_spec, _checkpoint, fit, _walk);
        using var streams = new CalibrationStreams(_spec, _checkpoint, held, _walk);
        using CalibrationStreams reference = streams.Copy();
        for (int layer = 0; layer < _spec.NumLayers; layer++)
        {
            using Packed<Sublayer[]> plain = Plain(layer);
            reference.Advance(plain, Nothing, _cancellation);
        }

        for (int layer = 0; layer < _spec.NumLayers; layer++)
        {
            List<(Stack Stack, int Candidate, CalibrationStreams Streams)> changed = [];
            try
            {
                ChangeAlone(layer, observed, streams, changed);
                for (int later = layer + 1; later < _spec.NumLayers; later++)
                {
                    using Packed<Sublayer[]> plain = Plain(later);
                    foreach ((_, _, CalibrationStreams one) in changed)
                    {
                        one.Advance(plain, Nothing, _cancellation);
                    }
                }

                foreach ((Stack stack, int candidate, CalibrationStreams one) in changed)
                {
                    stack.Kl[candidate] = Compare(held, one, reference).Kl;
                    Step();
                }
            }
            finally
            {
                foreach ((_, _, CalibrationStreams one) in changed)
                {
                    one.Dispose();
                }
            }
        }
    }

    /// <summary>
    /// Moves the streams behind a layer, and copies of them behind the same with one stack quantized, in each scheme.
    /// </summary>
    private void ChangeAlone(
        int layer, CalibrationStreams observed, CalibrationStreams streams,
        List<(Stack Stack, int Candidate, CalibrationStreams Streams)> changed)
    {
        using Packed<Sublayer[]> plain = Plain(layer);
        for (int candidate = 0; candidate < _candidates.Length - 1; candidate++)
        {
            ChangeAlone(layer, candidate, plain, observed, streams, changed);
            Garbage.Return();
        }

        observed.Advance(plain, Nothing, _cancellation);
        streams.Advance(plain, Nothing, _cancellation);
    }

    private void ChangeAlone(
        int layer, int candidate, Packed<Sublayer[]> plain, CalibrationStreams observed, CalibrationStreams streams,
        List<(Stack Stack, int Candidate, CalibrationStreams Streams)> changed)
    {
        var work = new LayerUnderWork(_spec, _checkpoint, layer);
        Dictionary<string, InputMoments> moments = _recipe.NeedsCalibration
            ? observed.Observe(plain, width => LayerQuantizer.ProductBlock(_recipe, width), Nothing, _cancellation)
            : [];
        Dictionary<string, CodedMatrix> coded =
            LayerQuantizer.Run(work, moments, _recipe with { Scheme = _candidates[candidate]! });
        foreach (LinearUnderWork linear in work.Linears)
        {
            var alone = linear.Matrices.Where(m => coded.ContainsKey(m.Module))
                .ToDictionary(m => m.Module, m => coded[m.Module]);
            using Packed<Sublayer[]> one = _walk.PackLayer(work.Spec, work.With(alone));
            CalibrationStreams copy = streams.Copy();
            changed.Add((StackOf(layer, linear.Spec), candidate, copy));
            copy.Advance(one, Nothing, _cancellation);
        }
    }

    private Packed<Sublayer[]> Plain(int layer) =>
        _walk.PackLayer(_spec.Layers[layer], new CheckpointSource(_checkpoint));

    private CalibrationSet Held()
    {
        // The other half's, as far apart as they can be.
        int odd = Math.Max(1, _calibration.Samples.Count / 2);
        int stride = Math.Max(1, odd / SamplesForSensitivity);
        return _calibration.Samples.Count == 1
            ? _calibration
            : _calibration.Where(i => i % 2 == 1 && i / 2 % stride == 0);
    }

    /// <summary>Quantizes by a recipe, on each half of the text in turn, and measures on the other.</summary>
    private (double Loss, double Kl) Measure(QuantizationRecipe recipe)
    {
        (double loss, double kl) = (0, 0);
        for (int half = 0; half < 2; half++)
        {
            bool only = _calibration.Samples.Count == 1;
            CalibrationSet fit = only ? _calibration : _calibration.Where(i => i % 2 == half),
                held = only ? _calibration : _calibration.Where(i => i % 2 != half);
            using var observed = new CalibrationStreams(_spec, _checkpoint, fit, _walk);
            using var streams = new CalibrationStreams(_spec, _checkpoint, held, _walk);
            using CalibrationStreams reference = streams.Copy();
            for (int layer = 0; layer < _spec.NumLayers; layer++)
            {
                Quantize(layer, recipe, observed, streams, reference);
                Garbage.Return();
                Step();
            }

            (double halfLoss, double halfKl) = Compare(held, streams, reference);
            (loss, kl) = (loss + (halfLoss / 2), kl + (halfKl / 2));
        }

        return (loss, kl);
    }

    /// <summary>Quantizes a layer and moves the streams behind it, the reference's behind what it was.</summary>
    private void Quantize(
        int layer, QuantizationRecipe recipe, CalibrationStreams observed, CalibrationStreams streams,
        CalibrationStreams reference)
    {
        var work = new LayerUnderWork(_spec, _checkpoint, layer);
        Dictionary<string, InputMoments> moments = [];
        using (Packed<Sublayer[]> plain = Plain(layer))
        {
            reference.Advance(plain, Nothing, _cancellation);
            moments = recipe.NeedsCalibration
                ? observed.Observe(plain, width => LayerQuantizer.ProductBlock(recipe, width), Nothing, _cancellation)
                : moments;
        }

        Dictionary<string, CodedMatrix> coded = LayerQuantizer.Run(work, moments, recipe);
        using Packed<Sublayer[]> quantized = _walk.PackLayer(work.Spec, work.With(coded));
        observed.Advance(quantized, Nothing, _cancellation);
        streams.Advance(quantized, Nothing, _cancellation);
    }

    private unsafe (double Loss, double Kl) Compare(
        CalibrationSet set, CalibrationStreams streams, CalibrationStreams reference)
    {
        (double loss, double kl) = (0, 0);
        for (int sample = 0; sample < streams.Samples; sample++)
        {
            (double l, double k) = _comparison.Compare(set.Samples[sample], streams.Of(sample), reference.Of(sample));
            (loss, kl) = (loss + l, kl + k);
        }

        double tokens = (double)streams.Samples * (set.Length - 1);
        return (loss / tokens, kl / tokens);
    }

    private Stack StackOf(int layer, LinearSpec linear)
    {
        Stack? stack = _stacks.Find(s => s.Layer == layer && s.Linear.Name == linear.Name);
        if (stack is null)
        {
            stack = new Stack(layer, linear, new double[_candidates.Length]);
            _stacks.Add(stack);
        }

        return stack;
    }

    private void Step()
    {
        _done++;
        long sensitivities = (long)_spec.Layers.Sum(layer => layer.Linears.Count()) * (_candidates.Length - 1);
        long total = sensitivities + (4L * _spec.NumLayers);   // and two measurements, as a rule
        _progress?.Report(new BenchProgress(_done, Math.Max(total, _done), string.Create(
            CultureInfo.InvariantCulture, $"{(_done <= sensitivities ? "each layer alone" : "all together")}")));
    }

    private static void Nothing()
    {
        // Parts of one step.
    }

    /// <summary>Matrices that share an input, and what each candidate does.</summary>
    private sealed record Stack(int Layer, LinearSpec Linear, double[] Kl)
    {
        public int Chosen { get; set; }
    }
}
