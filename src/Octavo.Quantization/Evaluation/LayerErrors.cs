using Octavo.Cpu.Memory;
using Octavo.Cpu.Sublayers;
using Octavo.Cpu.Weights;
using Octavo.Models;

namespace Octavo.Quantization.Evaluation;

/// <summary>How the error grows from layer to layer.</summary>
internal static unsafe class LayerErrors
{
    /// <summary>
    /// The relative error of the residual stream behind each layer, over some windows: each model goes its own way from
    /// the embedding on. Empty where the models are of different widths or depths.
    /// </summary>
    public static IReadOnlyList<double> Measure(
        EvaluatedModel model, EvaluatedModel reference, IReadOnlyList<int[]> windows,
        CancellationToken cancellationToken)
    {
        DecoderSpec spec = model.Description.Spec, other = reference.Description.Spec;
        if (spec.HiddenSize != other.HiddenSize || spec.NumLayers != other.NumLayers)
        {
            return [];
        }

        int longest = windows.Max(w => w.Length);
        using var walk = new LayerWalk(spec, longest);
        using var otherWalk = new LayerWalk(other, longest);
        using Packed<Embedding> embedding = walk.PackEmbedding(new CheckpointSource(model.Checkpoint));
        using Packed<Embedding> otherEmbedding = otherWalk.PackEmbedding(new CheckpointSource(reference.Checkpoint));
        using var x = NativeBuffer.OfFloats((long)longest * spec.HiddenSize);
        using var y = NativeBuffer.OfFloats((long)longest * spec.HiddenSize);
        double[] errors = new double[spec.NumLayers];
        double[] norms = new double[spec.NumLayers];
        foreach (int[] ids in windows)
        {
            walk.Embed(embedding, ids, x.Floats);
            otherWalk.Embed(otherEmbedding, ids, y.Floats);
            for (int layer = 0; layer < spec.NumLayers; layer++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                walk.Run(model.Runner.Layers[layer], x.Floats, ids.Length);
                otherWalk.Run(reference.Runner.Layers[layer], y.Floats, ids.Length);
                for (long i = 0; i < (long)ids.Length * spec.HiddenSize; i++)
                {
                    double expected = y.Floats[i], error = x.Floats[i] - expected;
                    errors[layer] += error * error;
                    norms[layer] += expected * expected;
                }
            }
        }

        return [.. errors.Zip(norms, (e, n) => Math.Sqrt(e / n))];
    }
}
