using Octavo.Cpu;
using Octavo.Models;

namespace Octavo.Quantization.Evaluation;

/// <summary>How the error grows from layer to layer.</summary>
internal static unsafe class LayerErrors
{
    /// <summary>
    /// The relative error of the residual stream behind each layer, over some windows: each model goes its own way from
    /// the embedding on. Empty where the models are of different widths or depths, or cannot be gone through by layers.
    /// </summary>
    public static IReadOnlyList<double> Measure(
        EvaluatedModel model, EvaluatedModel reference, IReadOnlyList<int[]> windows, CancellationToken cancellationToken)
    {
        DecoderSpec spec = model.Description.Spec, other = reference.Description.Spec;
        bool alike = spec.HiddenSize == other.HiddenSize && spec.NumLayers == other.NumLayers
            && spec.Tensors.ProjectIn is null && other.Tensors.ProjectIn is null && spec.Positions is not AlibiPositions && other.Positions is not AlibiPositions;
        if (!alike)
        {
            return [];
        }

        int longest = windows.Max(w => w.Length);
        using var pass = new LayerPass(spec, longest);
        using var otherPass = new LayerPass(other, longest);
        using var x = NativeBuffer.OfFloats((long)longest * spec.HiddenSize);
        using var y = NativeBuffer.OfFloats((long)longest * spec.HiddenSize);
        double[] errors = new double[spec.NumLayers];
        double[] norms = new double[spec.NumLayers];
        foreach (int[] ids in windows)
        {
            LayerPass.Embed(spec, model.Checkpoint, ids, x.Floats);
            LayerPass.Embed(other, reference.Checkpoint, ids, y.Floats);
            for (int layer = 0; layer < spec.NumLayers; layer++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                pass.Run(model.Runner.Weights.Layers[layer], x.Floats, ids.Length);
                otherPass.Run(reference.Runner.Weights.Layers[layer], y.Floats, ids.Length);
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
