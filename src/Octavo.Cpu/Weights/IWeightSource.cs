using Octavo.Cpu.Panels;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Cpu.Weights;

/// <summary>Where the weights of a decoder's parts come from.</summary>
internal interface IWeightSource
{
    /// <summary>A matrix of a linear layer.</summary>
    MatrixSource Matrix(MatrixSpec matrix);

    /// <summary>A tensor that is read by row.</summary>
    MatrixSource Table(TableSpec table);

    /// <summary>A norm's parameters.</summary>
    (float[] Weight, float[]? Bias) Norm(NormSpec norm);

    /// <summary>A few numbers.</summary>
    float[] Vector(VectorSpec vector);

    /// <summary>Hears that a linear layer was packed: its matrices will hardly be read again.</summary>
    void LetGo(LinearSpec linear);
}

/// <summary>The weights of a checkpoint: codes where it stores some, else numbers.</summary>
/// <param name="checkpoint">The checkpoint.</param>
/// <param name="blockInputs">How activations are written that meet weights in GGUF's blocks, which do not say.</param>
internal sealed class CheckpointSource(Checkpoint checkpoint, InputCode blockInputs = InputCode.Float32) : IWeightSource
{
    /// <inheritdoc/>
    public MatrixSource Matrix(MatrixSpec matrix)
    {
        LinearTensors names = matrix.Names;
        Tensor? bias = names.Bias is null ? null : checkpoint.Get(names.Bias);
        MatrixSource all = checkpoint.FindQuantized(names.Weight) is { } quantized
            ? new QuantizedSource(quantized, bias)
            : names.Transposed ? new TransposedMatrix(checkpoint.Get(names.Weight), bias)
            : Of(checkpoint.Get(names.Weight), bias);
        return names.Rows is { } rows ? new RowsOfMatrix(all, rows, matrix.Rows) : all;
    }

    /// <inheritdoc/>
    public MatrixSource Table(TableSpec table) => Of(checkpoint.Get(table.Name), null);

    /// <inheritdoc/>
    public (float[] Weight, float[]? Bias) Norm(NormSpec norm) =>
        (norm.Names.Weight is null ? Ones(norm.Width) : Read(norm.Names.Weight),
            norm.Names.Bias is null ? null : Read(norm.Names.Bias));

    /// <inheritdoc/>
    public float[] Vector(VectorSpec vector) => Read(vector.Name);

    /// <inheritdoc/>
    public void LetGo(LinearSpec linear)
    {
        foreach (LinearTensors names in linear.Matrices.Select(m => m.Names))
        {
            // Codes, scales and what else stands in place of a weight are called by the module's name and another one.
            string parts = names.Module + ".";
            foreach (Tensor tensor in checkpoint.Tensors.Values)
            {
                if (tensor.Name == names.Weight || tensor.Name.StartsWith(parts, StringComparison.Ordinal))
                {
                    tensor.LetGo();
                }
            }
        }
    }

    private MatrixSource Of(Tensor weight, Tensor? bias) =>
        weight.Type.HasBlocks() ? new BlockMatrix(weight, bias, blockInputs) : new TensorMatrix(weight, bias);

    private static float[] Ones(int count)
    {
        float[] ones = new float[count];
        ones.AsSpan().Fill(1);
        return ones;
    }

    private float[] Read(string name)
    {
        Tensor tensor = checkpoint.Get(name);
        float[] values = new float[tensor.ElementCount];
        ElementConversion.ToFloat32(tensor.Type, tensor.Bytes(0, checked((int)tensor.ByteLength)), values);
        return values;
    }
}

/// <summary>Weights that need not exist: for saying what they would take.</summary>
internal sealed class UnreadSource : IWeightSource
{
    /// <inheritdoc/>
    public MatrixSource Matrix(MatrixSpec matrix) =>
        new UnreadMatrix(matrix.Rows, matrix.Columns, matrix.Names.Bias is not null);

    /// <inheritdoc/>
    public MatrixSource Table(TableSpec table) => new UnreadMatrix(table.Rows, table.Columns, bias: false);

    /// <inheritdoc/>
    public (float[] Weight, float[]? Bias) Norm(NormSpec norm) =>
        throw new NotSupportedException("these weights are not there");

    /// <inheritdoc/>
    public float[] Vector(VectorSpec vector) => throw new NotSupportedException("these weights are not there");

    /// <inheritdoc/>
    public void LetGo(LinearSpec linear)
    {
    }
}
