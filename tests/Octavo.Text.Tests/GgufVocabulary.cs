using System.Text;
using System.Text.Json;

namespace Octavo.Text.Tests;

/// <summary>Reads the tokenizer out of a GGUF file's metadata, as far as these tests need it, and writes it as a
/// tokenizer.json. Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md</summary>
internal static class GgufVocabulary
{
    private const int StringType = 8, ArrayType = 9;
    private const int ControlToken = 3, UserDefinedToken = 4;

    public static string WriteTokenizerJson(string gguf, string directory, string? expression, bool ignoreMerges)
    {
        Dictionary<string, object?> metadata = Read(gguf);
        object?[] tokens = (object?[])metadata["tokenizer.ggml.tokens"]!;
        object?[] merges = (object?[])metadata["tokenizer.ggml.merges"]!;
        object?[] types = (object?[])metadata["tokenizer.ggml.token_type"]!;
        Dictionary<string, int> vocab = [];
        List<object> added = [];
        for (int id = 0; id < tokens.Length; id++)
        {
            string token = (string)tokens[id]!;
            int type = Convert.ToInt32(types[id]!);
            if (type is ControlToken or UserDefinedToken)
            {
                added.Add(new { id, content = token, special = type == ControlToken, normalized = false });
            }
            else
            {
                vocab[token] = id;
            }
        }

        object byteLevel = new { type = "ByteLevel", add_prefix_space = false, use_regex = expression is null };
        object split =
            new { type = "Split", pattern = new { Regex = expression }, behavior = "Isolated", invert = false };
        string path = Path.Combine(directory, Path.GetFileName(gguf) + ".json");
        File.WriteAllText(path, JsonSerializer.Serialize(new
        {
            added_tokens = added,
            normalizer = (object?)null,
            pre_tokenizer = expression is null
                ? byteLevel
                : new { type = "Sequence", pretokenizers = new[] { split, byteLevel } },
            post_processor = (object?)null,
            decoder = new { type = "ByteLevel" },
            model = new { type = "BPE", vocab, merges, ignore_merges = ignoreMerges },
        }));
        return path;
    }

    private static Dictionary<string, object?> Read(string path)
    {
        using BinaryReader reader = new(File.OpenRead(path));
        if (reader.ReadUInt32() != 0x46554747) // "GGUF"
        {
            throw new InvalidDataException($"{path} is not a GGUF file");
        }

        reader.ReadUInt32(); // version
        reader.ReadUInt64(); // tensors
        Dictionary<string, object?> metadata = [];
        for (ulong left = reader.ReadUInt64(); left > 0; left--)
        {
            string key = ReadString(reader);
            metadata[key] = ReadValue(reader, reader.ReadUInt32());
        }

        return metadata;
    }

    private static object ReadValue(BinaryReader reader, uint type)
    {
        switch (type)
        {
            case 0 or 7:
                return reader.ReadByte();
            case 1:
                return reader.ReadSByte();
            case 2:
                return reader.ReadUInt16();
            case 3:
                return reader.ReadInt16();
            case 4:
                return reader.ReadUInt32();
            case 5:
                return reader.ReadInt32();
            case 6:
                return reader.ReadSingle();
            case StringType:
                return ReadString(reader);
            case ArrayType:
                uint itemType = reader.ReadUInt32();
                object?[] items = new object?[reader.ReadUInt64()];
                for (int i = 0; i < items.Length; i++)
                {
                    items[i] = ReadValue(reader, itemType);
                }

                return items;
            case 10:
                return reader.ReadUInt64();
            case 11:
                return reader.ReadInt64();
            case 12:
                return reader.ReadDouble();
            default:
                throw new InvalidDataException($"metadata of type {type}");
        }
    }

    private static string ReadString(BinaryReader reader) =>
        Encoding.UTF8.GetString(reader.ReadBytes((int)reader.ReadUInt64()));
}
