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
    private const float Amplitude = 0.035f;   // a standard deviation of 0.02, at which every shape's activations stay small

    /// <summary>What the model is.</summary>
    /// <param name="shape">Its widths.</param>
    /// <param name="maxPositions">The longest sequence, in tokens.</param>
    public static DecoderSpec Describe(ModelShape shape, int maxPositions)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return new DecoderSpec
        {
            Architecture = "LlamaForCausalLM",
            VocabSize = shape.Vocabulary,
            HiddenSize = shape.Hidden,
            EmbeddingSize = shape.Hidden,
            IntermediateSize = shape.Intermediate,
            NumLayers = shape.Layers,
            NumHeads = shape.Heads,
            NumKvHeads = shape.KvHeads,
            HeadDim = shape.HeadDim,
            MaxPositionEmbeddings = maxPositions,
            NormKind = NormKind.Rms,
            NormEpsilon = 1e-5f,
            Activation = Activation.Silu,
            GatedMlp = true,
            Positions = new RotaryPositions(10000, null),
            Tensors = new DecoderTensors
            {
                TokenEmbedding = "embedding",
                Layers = [.. Enumerable.Range(0, shape.Layers).Select(Layer)],
                FinalNorm = new NormTensors("norm", null),
            },
        };
    }

    /// <summary>The model's weights: the norms', all one, and <see cref="ParameterCount"/> others.</summary>
    /// <param name="shape">Its widths.</param>
    public static Checkpoint MakeCheckpoint(ModelShape shape)
    {
        DecoderTensors names = Describe(shape, 1).Tensors;
        byte[] noise = MakeNoise();
        byte[] ones = new byte[shape.Hidden * sizeof(ushort)];
        MemoryMarshal.Cast<byte, ushort>(ones.AsSpan()).Fill(0x3F80);
        int queries = shape.Heads * shape.HeadDim;
        int keys = shape.KvHeads * shape.HeadDim;
        int matrices = 0;
        List<TensorSource> tensors = [Matrix(names.TokenEmbedding, shape.Vocabulary, shape.Hidden), Ones(names.FinalNorm!)];
        foreach (LayerTensors layer in names.Layers)
        {
            tensors.AddRange(
            [
                Ones(layer.AttentionNorm),
                Matrix(layer.Query.Weight, queries, shape.Hidden),
                Matrix(layer.Key.Weight, keys, shape.Hidden),
                Matrix(layer.Value.Weight, keys, shape.Hidden),
                Matrix(layer.Output.Weight, shape.Hidden, queries),
                Ones(layer.MlpNorm),
                Matrix(layer.Gate!.Weight, shape.Intermediate, shape.Hidden),
                Matrix(layer.Up.Weight, shape.Intermediate, shape.Hidden),
                Matrix(layer.Down.Weight, shape.Hidden, shape.Intermediate),
            ]);
        }

        return Checkpoint.InMemory($"random {shape.Name}", tensors);

        TensorSource Ones(NormTensors norm) => new(norm.Weight, TensorType.BFloat16, [shape.Hidden], ones);

        TensorSource Matrix(string name, int rows, int columns)
        {
            // Each tensor begins elsewhere in the same noise: a billion fresh numbers would take longer than the measurement.
            int start = (int)(matrices++ * 104729L % NoiseElements) * sizeof(ushort);
            return new TensorSource(name, TensorType.BFloat16, [rows, columns], stream => Repeat(noise, start, (long)rows * columns * sizeof(ushort), stream));
        }
    }

    /// <summary>Weights in all matrices, the embedding counted once.</summary>
    public static long ParameterCount(ModelShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return ((long)shape.Vocabulary * shape.Hidden) + (shape.Layers * shape.Linears.Sum(l => (long)l.Out * l.In));
    }

    private static LayerTensors Layer(int index)
    {
        return new LayerTensors
        {
            AttentionNorm = new NormTensors($"{index}.attention_norm", null),
            Query = Linear("q"),
            Key = Linear("k"),
            Value = Linear("v"),
            Output = Linear("o"),
            MlpNorm = new NormTensors($"{index}.mlp_norm", null),
            Gate = Linear("gate"),
            Up = Linear("up"),
            Down = Linear("down"),
        };

        LinearTensors Linear(string name) => new($"{index}.{name}", null);
    }

    private static byte[] MakeNoise()
    {
        var random = new Noise(seed: 1);
        byte[] noise = new byte[NoiseElements * sizeof(ushort)];
        for (int i = 0; i < noise.Length; i += sizeof(ushort))
        {
            float value = random.Next() * Amplitude;
            BinaryPrimitives.WriteUInt16LittleEndian(noise.AsSpan(i), (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));
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
