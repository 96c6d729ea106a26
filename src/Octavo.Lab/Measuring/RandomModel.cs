using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Lab.Measuring;

/// <summary>
/// A Llama model of a shape with random bfloat16 weights, in memory or in a directory: as fast as a trained one, and no
/// wiser than dice. The embedding is also the output head.
/// </summary>
internal static class RandomModel
{
    private const int NoiseElements = 1 << 20;
    // A standard deviation of 0.02, at which every shape's activations stay small.
    private const float Amplitude = 0.035f;
    private const float Epsilon = 1e-5f;
    private const int RotaryBase = 10000;

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
            TokenEmbedding = "model.embed_tokens.weight",
            Layers = [.. Enumerable.Range(0, shape.Layers).Select(Layer)],
            FinalNorm = Norm("model.norm"),
        };

        LayerSpec Layer(int index) => new(
        [
            new AttentionSpec
            {
                Width = shape.Hidden,
                NormBefore = Norm($"model.layers.{index}.input_layernorm"),
                NumHeads = shape.Heads,
                NumKvHeads = shape.KvHeads,
                HeadDim = shape.HeadDim,
                Positions = new RotaryPositions(RotaryBase, null),
                Query = Linear($"model.layers.{index}.self_attn.q_proj"),
                Key = Linear($"model.layers.{index}.self_attn.k_proj"),
                Value = Linear($"model.layers.{index}.self_attn.v_proj"),
                Output = Linear($"model.layers.{index}.self_attn.o_proj"),
            },
            new FeedForwardSpec
            {
                Width = shape.Hidden,
                NormBefore = Norm($"model.layers.{index}.post_attention_layernorm"),
                IntermediateSize = shape.Intermediate,
                Activation = Activation.Silu,
                Gate = Linear($"model.layers.{index}.mlp.gate_proj"),
                Up = Linear($"model.layers.{index}.mlp.up_proj"),
                Down = Linear($"model.layers.{index}.mlp.down_proj"),
            },
        ]);

        NormSpec Norm(string module) =>
            new(NormKind.Rms, new NormTensors($"{module}.weight", null), Epsilon, shape.Hidden);

        static LinearTensors Linear(string module) => new($"{module}.weight", null);
    }

    /// <summary>The model's weights: the norms', all one, and noise in all matrices.</summary>
    /// <param name="shape">Its widths.</param>
    public static Checkpoint MakeCheckpoint(ModelShape shape) =>
        Checkpoint.InMemory($"random {shape.Name}", MakeTensors(shape));

    /// <summary>Writes the model into a directory as transformers would: configuration and weights, no tokenizer.
    /// </summary>
    /// <param name="shape">Its widths.</param>
    /// <param name="maxPositions">The longest sequence, in tokens.</param>
    /// <param name="directory">Where; it is there already.</param>
    public static void WriteTo(ModelShape shape, int maxPositions, string directory)
    {
        SafetensorsWriter.Write(Path.Combine(directory, "model.safetensors"), MakeTensors(shape));
        File.WriteAllText(Path.Combine(directory, "config.json"), JsonText.Of(json =>
        {
            json.WriteStartArray("architectures");
            json.WriteStringValue(Describe(shape, maxPositions).Architecture);
            json.WriteEndArray();
            json.WriteString("model_type", "llama");
            json.WriteString("torch_dtype", "bfloat16");
            json.WriteNumber("vocab_size", shape.Vocabulary);
            json.WriteNumber("hidden_size", shape.Hidden);
            json.WriteNumber("intermediate_size", shape.Intermediate);
            json.WriteNumber("num_hidden_layers", shape.Layers);
            json.WriteNumber("num_attention_heads", shape.Heads);
            json.WriteNumber("num_key_value_heads", shape.KvHeads);
            json.WriteNumber("head_dim", shape.HeadDim);
            json.WriteNumber("max_position_embeddings", maxPositions);
            json.WriteNumber("rms_norm_eps", Epsilon);
            json.WriteNumber("rope_theta", RotaryBase);
            json.WriteBoolean("tie_word_embeddings", true);
        }));
    }

    private static List<TensorSource> MakeTensors(ModelShape shape)
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
            n => new TensorSource(n.Names.Weight!, TensorType.BFloat16, [n.Width], ones));
        return [.. tables, .. linears, .. norms];

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
