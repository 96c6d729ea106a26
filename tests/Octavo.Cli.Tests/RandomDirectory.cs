using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Octavo.Formats;
using Octavo.Testing;

namespace Octavo.Cli.Tests;

/// <summary>
/// A directory with the bundled model's tokenizer and random weights of a width and a number of layers.
/// </summary>
internal static class RandomDirectory
{
    /// <summary>Writes it.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="layers">The number of its layers.</param>
    /// <param name="width">The width of its states and of the layer between, a multiple of 64.</param>
    /// <returns>The bytes of its tensors.</returns>
    public static long Write(string folder, int layers, int width = 448)
    {
        foreach (string file in Directory.GetFiles(Repository.TalesModel, "tokenizer*"))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(Repository.TalesModel, "config.json")))!
            .AsObject();
        config["hidden_size"] = width;
        config["intermediate_size"] = width;
        config["num_hidden_layers"] = layers;
        config["num_attention_heads"] = width / 64;
        config["num_key_value_heads"] = width / 64;
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());

        var random = new Random(1);
        List<TensorSource> tensors =
            [Matrix("model.embed_tokens", config["vocab_size"]!.GetValue<int>(), width), Ones("model.norm")];
        for (int layer = 0; layer < layers; layer++)
        {
            string name = $"model.layers.{layer}.";
            tensors.AddRange([Ones(name + "input_layernorm"), Ones(name + "post_attention_layernorm")]);
            tensors.AddRange("qkvo".Select(p => Matrix($"{name}self_attn.{p}_proj", width, width)));
            tensors.AddRange([
                Matrix(name + "mlp.gate_proj", width, width), Matrix(name + "mlp.up_proj", width, width), Matrix(
                    name + "mlp.down_proj", width, width)]);
        }

        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors);
        return tensors.Sum(t => t.ByteLength);

        TensorSource Ones(string module) => Numbers(module, [width], () => 1);

        TensorSource Matrix(string module, int rows, int columns) =>
            Numbers(module, [rows, columns], () => (random.NextSingle() - 0.5f) / 14);

        static TensorSource Numbers(string module, long[] shape, Func<float> next)
        {
            ushort[] numbers = new ushort[shape.Aggregate(1L, (a, b) => a * b)];
            for (int i = 0; i < numbers.Length; i++)
            {
                numbers[i] = (ushort)(BitConverter.SingleToUInt32Bits(next()) >> 16);
            }

            return new TensorSource(
                module + ".weight", TensorType.BFloat16, shape, MemoryMarshal.AsBytes<ushort>(numbers).ToArray());
        }
    }
}
