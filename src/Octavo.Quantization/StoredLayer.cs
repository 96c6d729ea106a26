using Octavo.Cpu;
using Octavo.Cpu.Linears;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Quantization;

/// <summary>A layer as a checkpoint stores it, made ready to run and given back: one at a time is in memory.</summary>
internal static class StoredLayer
{
    /// <summary>Packs a layer: quantized matrices as they are, others in float32.</summary>
    public static LayerWeights Pack(Checkpoint checkpoint, LayerTensors names, InstructionSet isa)
    {
        LinearScheme plain = LinearScheme.For(Octavo.Cpu.Kernels.WeightFormat.Float32, isa);
        return new LayerWeights(
            new NormWeights(checkpoint, names.AttentionNorm),
            Linear(new StackedMatrix([Source(names.Query), Source(names.Key), Source(names.Value)])),
            Linear(Source(names.Output)),
            new NormWeights(checkpoint, names.MlpNorm),
            Linear(names.Gate is null ? Source(names.Up) : new GatedMatrix(Source(names.Gate), Source(names.Up))),
            Linear(Source(names.Down)));

        MatrixSource Source(LinearTensors n)
        {
            Tensor? bias = n.Bias is null ? null : checkpoint.Get(n.Bias);
            return checkpoint.FindQuantized(n.Weight) is { } quantized ? new QuantizedSource(quantized, bias) : new TensorMatrix(checkpoint.Get(n.Weight), bias);
        }

        Linear Linear(MatrixSource source) => new(source, source.Stored ?? plain, isa);
    }
}
