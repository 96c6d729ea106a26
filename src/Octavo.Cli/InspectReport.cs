using Octavo.Cpu;
using Octavo.Cpu.Kernels;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Cli;

/// <summary>What <c>octavo inspect</c> knows, before it is printed one way or the other.</summary>
internal sealed record InspectReport
{
    /// <summary>The plan, as loading would make it.</summary>
    public required ModelInfo Plan { get; init; }

    /// <summary>Every tensor, in the order of the layers.</summary>
    public required IReadOnlyList<TensorRow> Tensors { get; init; }

    /// <summary>Bytes of all tensors in the files.</summary>
    public required long CheckpointBytes { get; init; }

    /// <summary>Bytes of the packed weights in each format they can be loaded in.</summary>
    public required IReadOnlyDictionary<WeightFormat, long> WeightBytes { get; init; }

    /// <summary>Parameters, each counted once.</summary>
    public long Parameters => Tensors.Sum(t => t.Shape.Aggregate(1L, (product, d) => product * d));

    /// <summary>Bytes of a block of the key-value cache.</summary>
    public long BytesPerBlock => CpuModelRunner.BytesPerBlock(Plan.Spec, Plan.KvCache, Plan.BlockSize);

    /// <summary>Tokens that the key-value cache holds.</summary>
    public long CacheTokens => (long)Plan.NumBlocks * Plan.BlockSize;

    /// <summary>The decoder in words: name and value.</summary>
    public IEnumerable<(string Name, string Value)> SpecRows()
    {
        DecoderSpec spec = Plan.Spec;
        yield return ("architecture", spec.Architecture);
        yield return ("layers", $"{spec.NumLayers}");
        yield return ("hidden size", $"{spec.HiddenSize}");
        if (spec.EmbeddingSize != spec.HiddenSize)
        {
            yield return ("embedding size", $"{spec.EmbeddingSize}");
        }

        yield return ("intermediate size", $"{spec.IntermediateSize}");
        yield return ("attention heads", $"{spec.NumHeads} of {spec.HeadDim}, {spec.NumKvHeads} for keys and values");
        yield return ("vocabulary", $"{spec.VocabSize}");
        yield return ("positions", $"{spec.MaxPositionEmbeddings}, {Positions(spec.Positions)}");
        yield return ("norm", $"{(spec.NormKind == NormKind.Rms ? "RMS" : "layer")}, {(spec.NormPlacement == NormPlacement.Pre ? "before" : "after")} each sublayer, epsilon {spec.NormEpsilon}");
        yield return ("MLP", $"{spec.Activation.ToString().ToLowerInvariant()}, {(spec.GatedMlp ? "gated" : "plain")}");
        yield return ("output head", spec.Tensors.OutputHead is null ? "tied to the embedding" : "its own");
        yield return ("end of text", string.Join(", ", Plan.EosTokenIds));
    }

    /// <summary>Reads a model's configuration and headers, and plans it; no weight is read.</summary>
    public static InspectReport Make(string model, EngineOptions options)
    {
        ModelDirectory directory = ModelDirectory.Open(model);
        using Checkpoint checkpoint = directory.OpenCheckpoint();
        ModelInfo plan = ModelPlan.Make(directory, ModelCatalog.Describe(directory, checkpoint), options);
        return new InspectReport
        {
            Plan = plan,
            Tensors = [.. checkpoint.Tensors.Values.Select(TensorRow.Of).Order(TensorRow.NaturalOrder)],
            CheckpointBytes = checkpoint.TotalBytes,
            WeightBytes = Enum.GetValues<WeightFormat>().ToDictionary(f => f, f => PackedSize.Of(plan.Spec.Tensors, checkpoint, f)),
        };
    }

    private static string Positions(PositionSpec positions) => positions switch
    {
        RotaryPositions { Scaling: null } rotary => $"rotary (theta {rotary.Theta})",
        RotaryPositions { Scaling: LinearRopeScaling linear } rotary => $"rotary (theta {rotary.Theta}, linear scaling by {linear.Factor})",
        RotaryPositions { Scaling: Llama3RopeScaling llama } rotary => $"rotary (theta {rotary.Theta}, Llama 3 scaling by {llama.Factor})",
        RotaryPositions rotary => $"rotary (theta {rotary.Theta}, scaled)",
        _ => "learned",
    };
}

/// <summary>How many bytes weights take once packed; the twin of what the loader does, without doing it.</summary>
internal static class PackedSize
{
    // Kernels read panels of so many output features; the last one is filled up.
    private const int PanelRows = 32;

    /// <summary>Bytes of all packed matrices and their biases.</summary>
    public static long Of(DecoderTensors tensors, Checkpoint checkpoint, WeightFormat format)
    {
        long total = Matrix(tensors.OutputHead ?? new LinearTensors(tensors.TokenEmbedding, null));
        total += tensors.ProjectIn is { } into ? Matrix(into) : 0;
        total += tensors.ProjectOut is { } outOf ? Matrix(outOf) : 0;
        foreach (LayerTensors layer in tensors.Layers)
        {
            total += Matrix(layer.Query, layer.Key, layer.Value) + Matrix(layer.Output) + Matrix(layer.Down);
            total += layer.Gate is { } gate ? Matrix(gate, layer.Up) : Matrix(layer.Up);
        }

        return total;

        // Matrices that share an input are stacked into one.
        long Matrix(params ReadOnlySpan<LinearTensors> stack)
        {
            long rows = 0;
            bool bias = false;
            foreach (LinearTensors part in stack)
            {
                rows += checkpoint.Get(part.Weight).Shape[0];
                bias |= part.Bias is not null;
            }

            long padded = (rows + PanelRows - 1) / PanelRows * PanelRows;
            long weights = padded * checkpoint.Get(stack[0].Weight).Shape[1] * (format == WeightFormat.Float32 ? sizeof(float) : sizeof(short));
            return weights + (bias ? padded * sizeof(float) : 0);
        }
    }
}
