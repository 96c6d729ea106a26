using Octavo.Formats;
using Octavo.Formats.Stored;

namespace Octavo.Models;

/// <summary>
/// Checks a checkpoint against a decoder: every tensor is there, with the shape that the config implies and a type that
/// can be loaded. A bias beside a weight that the config says has none is refused: to ignore it would change the
/// results. Of other tensors that the decoder does not name <see cref="UnusedTensors"/> takes care.
/// </summary>
internal static class SpecValidator
{
    public static void Validate(DecoderSpec spec, Checkpoint checkpoint)
    {
        foreach (TableSpec table in spec.Tables)
        {
            Check(checkpoint, table.Name, table.Rows, table.Columns);
        }

        foreach (MatrixSpec matrix in spec.Linears.SelectMany(linear => linear.Matrices))
        {
            Linear(checkpoint, matrix.Names, matrix.Rows, matrix.Columns);
        }

        foreach (VectorSpec vector in spec.Vectors)
        {
            Check(checkpoint, vector.Name, vector.Width);
        }

        foreach (NormSpec norm in spec.Norms)
        {
            if (norm.Names.Weight is { } weight)
            {
                Check(checkpoint, weight, norm.Heads == 1 ? [norm.Width] : [norm.Heads, norm.Width]);
                Bias(checkpoint, weight, norm.Names.Bias, norm.Width);
            }
        }
    }

    private static void Linear(Checkpoint checkpoint, LinearTensors linear, long outputs, long inputs)
    {
        outputs = linear.Rows?.Total ?? outputs;
        if (checkpoint.FindQuantized(linear.Weight) is { } quantized)
        {
            CheckQuantized(checkpoint, linear, quantized, outputs, inputs);
            return;
        }

        Check(checkpoint, linear.Weight, linear.Transposed ? [inputs, outputs] : [outputs, inputs]);
        Bias(checkpoint, linear.Weight, linear.Bias, outputs);
    }

    private static void CheckQuantized(
        Checkpoint checkpoint, LinearTensors linear, QuantizedMatrix quantized, long outputs, long inputs)
    {
        if (quantized.Rows != outputs || quantized.Columns != inputs)
        {
            throw new CheckpointException(
                checkpoint.Path,
                linear.Weight,
                $"expected shape [{outputs}, {inputs}] as config.json implies, found quantized [{quantized.Rows}, "
                    + $"{quantized.Columns}]");
        }

        // AutoGPTQ writes a bias of zeros for every layer that has none.
        if (linear.Bias is not null
            || !checkpoint.TryGet(BiasOf(linear.Weight), out Tensor? idle)
            || idle.Bytes(0, checked((int)idle.ByteLength)).ContainsAnyExcept((byte)0))
        {
            Bias(checkpoint, linear.Weight, linear.Bias, outputs);
        }
    }

    /// <summary>The name that a weight's bias has.</summary>
    public static string BiasOf(string weight) => $"{new LinearTensors(weight, null).Module}.bias";

    private static void Bias(Checkpoint checkpoint, string weight, string? bias, long width)
    {
        if (bias is not null)
        {
            Check(checkpoint, bias, width);
        }
        else if (checkpoint.TryGet(BiasOf(weight), out Tensor? stray))
        {
            throw new CheckpointException(
                stray.File, stray.Name,
                "config.json says that there is no such bias; its bias fields must agree with the file");
        }
    }

    private static void Check(Checkpoint checkpoint, string name, params ReadOnlySpan<long> expected)
    {
        Tensor tensor = checkpoint.Get(name);
        if (!tensor.Shape.SequenceEqual(expected.ToArray()))
        {
            throw new CheckpointException(
                tensor.File,
                name,
                $"expected shape [{string.Join(", ", expected.ToArray())}] as config.json implies, "
                + $"found [{string.Join(", ", tensor.Shape)}]");
        }

        if (tensor.Type is not (TensorType.Float32 or TensorType.Float16 or TensorType.BFloat16)
            && !tensor.Type.HasBlocks())
        {
            throw new CheckpointException(
                tensor.File, name, $"expected type F32, F16 or BF16, found {tensor.Type.Name()}");
        }
    }
}
