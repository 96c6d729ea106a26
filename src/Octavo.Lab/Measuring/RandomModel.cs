using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Lab.Measuring;

/// <summary>
/// A Llama-like model of a shape with random bfloat16 weights, made in memory: as fast as a trained one, and no wiser
/// than dice. The embedding is also the output head.
/// </summary>
internal static class RandomModel
{
    private const int NoiseElements = 1 << 20;
    // A standard deviation of 0.02, at which every shape's activations stay small.
    private const float Amplitude = 0.035f;

    /// <summary>What the model is.</summary>
    /// <param name="shape">Its widths.</param>
    /// <param name="maxPositions">The longest sequence, in tokens.</param>
    public static DecoderSpec Describe(ModelShape shape, int maxPositions)
    {
        return new DecoderSpec
        {
            Architecture = "LlamaForCausalLM",
            VocabSize = shape.Vocabulary,
            HiddenSize = shape.Hidden,
            EmbeddingSize = shape.Hidden,
            MaxPositionEmbeddings = maxPositions,
            TokenEmbedding = "embedding",
            Layers = [.. Enumerable.Range(0, shape.Layers).Select(Layer)],
            FinalNorm = Norm("norm"),
        };

        LayerSpec Layer(int index) => new(
        [
            new AttentionSpec
            {
                Width = shape.Hidden,
                NormBefore = Norm($"{index}.attention_norm"),
                NumHeads = shape.Heads,
                NumKvHeads = shape.KvHeads,
                HeadDim = shape.HeadDim,
                Positions = new RotaryPositions(10000, null),
                Query = new LinearTensors($"{index}.q", null),
                Key = new LinearTensors($"{index}.k", null),
                Value = new LinearTensors($"{index}.v", null),
                Output = new LinearTensors($"{index}.o", null),
            },
            new FeedForwardSpec
            {
                Width = shape.Hidden,
                NormBefore = Norm($"{index}.mlp_norm"),
                IntermediateSize = shape.Intermediate,
                Activation = Activation.Silu,
                Gate = new LinearTensors($"{index}.gate", null),
                Up = new LinearTensors($"{index}.up", null),
                Down = new LinearTensors($"{index}.down", null),
            },
        ]);

        NormSpec Norm(string name) => new(NormKind.Rms, new NormTensors(name, null), 1e-5f, shape.Hidden);
    }

    /// <summary>The model's weights: the norms', all one, and noise in all matrices.</summary>
    /// <param name="shape">Its widths.</param>
    public static Checkpoint MakeCheckpoint(ModelShape shape)
    {
        DecoderSpec spec = Describe(shape, 1);
        byte[] noise = MakeNoise();
        byte[] ones = new byte[shape.Hidden * sizeof(ushort)];
        MemoryMarshal.Cast<byte, ushort>(ones.AsSpan()).Fill(0x3F80);
        int matrices = 0;
        IEnumerable<TensorSource> tables = spec.Tables.Select(t => Matrix(t.Name, t.Rows, t.Columns));
        IEnumerable<TensorSource> linears = spec.Linears.SelectMany(l => l.Matrices)
            .Select(m => Matrix(m.Names.Weight, m.Rows, m.Columns));
        IEnumerable<TensorSource> norms = spec.Norms.Select(
            n => new TensorSource(n.Names.Weight, TensorType.BFloat16, [n.Width], ones));
        return Checkpoint.InMemory($"random {shape.Name}", [.. tables, .. linears, .. norms]);

        TensorSource Matrix(string name, int rows, int columns)
        {
            // Each tensor begins elsewhere in the same noise: a billion fresh numbers would take longer than the
            // measurement.
            int start = (int)(matrices++ * 104729L % NoiseElements) * sizeof(ushort);
            return new TensorSource(
                name,
                TensorType.BFloat16,
                [rows, columns],
                stream => Repeat(noise, start, (long)rows * columns * sizeof(ushort), stream));
        }
    }

    private static byte[] MakeNoise()
    {
        var random = new Noise(seed: 1);
        byte[] noise = new byte[NoiseElements * sizeof(ushort)];
        for (int i = 0; i < noise.Length; i += sizeof(ushort))
        {
            float value = random.Next() * Amplitude;
            BinaryPrimitives.WriteUInt16LittleEndian(
                noise.AsSpan(i), (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));
        }

        return noise;
    }

    private static void Repeat(byte[] noise, int start, long bytes, Stream stream)
    {
        while (bytes > 0)
        {
            int length = (int)Math.Min(noise.Length - start, bytes);
            stream.Write(noise, start, length);
            bytes -= length;
            start = 0;
        }
    }
}
