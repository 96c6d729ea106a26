using Octavo.Cpu;
using Octavo.Cpu.Linears;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Quantization;

/// <summary>A norm's parameters, to be changed.</summary>
internal sealed class FloatNorm
{
    public FloatNorm(Checkpoint checkpoint, NormTensors names)
    {
        Names = names;
        Tensor weight = checkpoint.Get(names.Weight);
        (StoredType, Weight) = (weight.Type, Read(weight));
        Bias = names.Bias is null ? null : Read(checkpoint.Get(names.Bias));
    }

    public NormTensors Names { get; }

    public TensorType StoredType { get; }

    public float[] Weight { get; }

    public float[]? Bias { get; }

    private static float[] Read(Tensor tensor)
    {
        float[] values = new float[tensor.ElementCount];
        ElementConversion.ToFloat32(tensor.Type, tensor.Bytes(0, checked((int)tensor.ByteLength)), values);
        return values;
    }
}

/// <summary>One layer in float32 while it is being quantized: changed by smoothing, then coded.</summary>
internal sealed class LayerUnderWork
{
    public LayerUnderWork(DecoderSpec spec, Checkpoint checkpoint, int index)
    {
        (Spec, Index) = (spec, index);
        LayerTensors names = spec.Tensors.Layers[index];
        AttentionNorm = new FloatNorm(checkpoint, names.AttentionNorm);
        MlpNorm = new FloatNorm(checkpoint, names.MlpNorm);
        Stacks = new Dictionary<LinearRole, FloatMatrix[]>
        {
            [LinearRole.QueryKeyValue] = [FloatMatrix.Load(checkpoint, names.Query), FloatMatrix.Load(checkpoint, names.Key), FloatMatrix.Load(checkpoint, names.Value)],
            [LinearRole.Output] = [FloatMatrix.Load(checkpoint, names.Output)],
            [LinearRole.GateUp] = names.Gate is null
                ? [FloatMatrix.Load(checkpoint, names.Up)]
                : [FloatMatrix.Load(checkpoint, names.Gate), FloatMatrix.Load(checkpoint, names.Up)],
            [LinearRole.Down] = [FloatMatrix.Load(checkpoint, names.Down)],
        };
    }

    public DecoderSpec Spec { get; }

    public int Index { get; }

    public FloatNorm AttentionNorm { get; }

    public FloatNorm MlpNorm { get; }

    /// <summary>The matrices, those together that share an input.</summary>
    public IReadOnlyDictionary<LinearRole, FloatMatrix[]> Stacks { get; }

    /// <summary>Weights in all matrices.</summary>
    public long WeightCount => Stacks.Values.SelectMany(s => s).Sum(m => (long)m.Rows * m.Columns);

    /// <summary>The layer, ready to run: a matrix with codes runs as it will when it is loaded, any other in float32.</summary>
    public LayerWeights Pack(IReadOnlyDictionary<string, CodedMatrix>? coded, InstructionSet isa)
    {
        LinearScheme plain = LinearScheme.For(Octavo.Cpu.Kernels.WeightFormat.Float32, isa);
        return new LayerWeights(
            new NormWeights(AttentionNorm.Weight, AttentionNorm.Bias),
            Linear(LinearRole.QueryKeyValue),
            Linear(LinearRole.Output),
            new NormWeights(MlpNorm.Weight, MlpNorm.Bias),
            Linear(LinearRole.GateUp),
            Linear(LinearRole.Down));

        Linear Linear(LinearRole role)
        {
            MatrixSource[] parts = [.. Stacks[role].Select(m => coded is not null && coded.TryGetValue(m.Module, out CodedMatrix? c) ? new QuantizedSource(c, m.Bias) : (MatrixSource)m)];
            MatrixSource source = parts.Length == 1 ? parts[0]
                : role == LinearRole.GateUp ? new GatedMatrix(parts[0], parts[1])
                : new StackedMatrix(parts);
            return new Linear(source, source.Stored ?? plain, isa);
        }
    }
}
