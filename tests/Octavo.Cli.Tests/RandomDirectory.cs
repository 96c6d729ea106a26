using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Octavo.Formats;
using Octavo.Testing;

namespace Octavo.Cli.Tests;

/// <summary>A directory with the bundled model's tokenizer and random weights of a width and a number of layers.</summary>
internal static class RandomDirectory
{
    private const int Hidden = 448;
    private const int Intermediate = 448;

    /// <summary>Writes it.</summary>
    /// <returns>The bytes of its tensors.</returns>
    public static long Write(string folder, int layers)
    {
        foreach (string file in Directory.GetFiles(Repository.TalesModel, "tokenizer*"))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(Repository.TalesModel, "config.json")))!.AsObject();
        config["hidden_size"] = Hidden;
        config["intermediate_size"] = Intermediate;
        config["num_hidden_layers"] = layers;
        config["num_attention_heads"] = Hidden / 64;
        config["num_key_value_heads"] = Hidden / 64;
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());

        var random = new Random(1);
        List<TensorSource> tensors = [Matrix("model.embed_tokens", config["vocab_size"]!.GetValue<int>(), Hidden), Ones("model.norm")];
        for (int layer = 0; layer < layers; layer++)
        {
            string name = $"model.layers.{layer}.";
            tensors.AddRange([Ones(name + "input_layernorm"), Ones(name + "post_attention_layernorm")]);
            tensors.AddRange("qkvo".Select(p => Matrix($"{name}self_attn.{p}_proj", Hidden, Hidden)));
            tensors.AddRange([
                Matrix(name + "mlp.gate_proj", Intermediate, Hidden), Matrix(name + "mlp.up_proj", Intermediate, Hidden), Matrix(name + "mlp.down_proj", Hidden, Intermediate)]);
        }

        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors);
        return tensors.Sum(t => t.ByteLength);

        static TensorSource Ones(string module) => Numbers(module, [Hidden], () => 1);

        TensorSource Matrix(string module, int rows, int columns) => Numbers(module, [rows, columns], () => (random.NextSingle() - 0.5f) / 14);

        static TensorSource Numbers(string module, long[] shape, Func<float> next)
        {
            ushort[] numbers = new ushort[shape.Aggregate(1L, (a, b) => a * b)];
            for (int i = 0; i < numbers.Length; i++)
            {
                numbers[i] = (ushort)(BitConverter.SingleToUInt32Bits(next()) >> 16);
            }

            return new TensorSource(module + ".weight", TensorType.BFloat16, shape, MemoryMarshal.AsBytes<ushort>(numbers).ToArray());
        }
    }
}
