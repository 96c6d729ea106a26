using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Octavo.Testing;
using Octavo.Text.Files;

namespace Octavo.Text.Tests;

/// <summary>
/// Every case of shared/data/tokenizers whose vocabulary is at hand, against what the reference libraries gave. Those
/// of packages are looked for in the folder that OCTAVO_TOKENIZERS names, unpacked as NAME/package/models/….
/// </summary>
public sealed class TokenizerVectorTests(ITestOutputHelper output)
{
    private readonly StringBuilder _failures = new();
    private int _cases;
    private int _failed;

    [Fact]
    public void Encode_SmallVocabularies_GivesTheRecordedIds()
    {
        foreach (string folder in Directory.GetDirectories(SharedData.Require("tokenizers/made")).Order())
        {
            string name = Path.GetFileName(folder);
            JsonObject expected = Parse(Path.Combine(folder, "expected.json"));
            if (name == "variants-config")
            {
                CheckConfigurations(folder, expected);
            }
            else if (expected["variants"] is JsonArray variants)
            {
                JsonObject json = Parse(Path.Combine(folder, "tokenizer.json"));
                foreach (JsonNode? variant in variants)
                {
                    JsonObject patched = json.DeepClone().AsObject();
                    foreach ((string field, JsonNode? value) in variant!["patch"]!.AsObject())
                    {
                        patched[field] = value?.DeepClone();
                    }

                    string patch = variant["patch"]!.ToJsonString();
                    Check($"{name} {patch[Math.Max(0, patch.Length - 700)..]}", variant, () => Load(patched, null));
                }
            }
            else
            {
                string ranks = Path.Combine(folder, "tokenizer.tiktoken");
                Check(
                    name, expected, () => File.Exists(ranks) ? LoadFile(ranks, expected) : Tokenizer.Load(folder));
            }
        }

        Report();
    }

    [Fact]
    public void Encode_PublishedVocabularies_GivesTheRecordedIds()
    {
        string data = SharedData.Require("tokenizers");
        string packages = Environment.GetEnvironmentVariable("OCTAVO_TOKENIZERS") ?? "";
        List<string> absent = [];
        foreach (string path in Directory.GetFiles(data, "*.json").Order())
        {
            string name = Path.GetFileNameWithoutExtension(path);
            JsonObject expected = Parse(path);
            string file = Path.GetFileName(expected["source"]!["file"]!.GetValue<string>());
            string unpacked = Path.Combine(packages, name, "package", "models", file);
            if (packages.Length > 0 && File.Exists(unpacked))
            {
                Check(name, expected, () => Tokenizer.LoadFile(unpacked));
            }
            else if (UnpackRanks(Path.Combine(packages, "tiktoken", "package", "encoders", file)) is { } ranks)
            {
                using (ranks)
                {
                    Check(name, expected, () => LoadFile(Directory.GetFiles(ranks.Path)[0], expected));
                }
            }
            else if (Directory.GetFiles(Path.Combine(data, "files"), name + ".*").FirstOrDefault() is { } packed
                && Unpack(packed) is { } directory)
            {
                using (directory)
                {
                    string only = Directory.GetFiles(directory.Path)[0];
                    Check(name, expected, () => LoadFile(only, expected));
                }
            }
            else
            {
                absent.Add(name);
            }
        }

        Assert.SkipWhen(
            _cases == 0, $"needs xz, or OCTAVO_TOKENIZERS: a folder with {string.Join(", ", absent)}");
        output.WriteLine($"not at hand: {string.Join(", ", absent)}");
        Report();
    }

    private static JsonObject Parse(string path) => JsonNode.Parse(File.ReadAllText(path))!.AsObject();

    private static Tokenizer LoadFile(string path, JsonObject expected) => expected["pat_str"] is { } expression
        ? new Tokenizer(
            Tiktoken.TiktokenReader.Read(
                path,
                File.ReadAllBytes(path),
                new TokenizerConfig(),
                new Tiktoken.TiktokenEncoding(
                    expression.GetValue<string>(),
                    expected["special_tokens"]!.AsObject().ToDictionary(t => t.Key, t => t.Value!.GetValue<int>()))),
            new TokenizerConfig())
        : Tokenizer.LoadFile(path);

    /// <summary>The ranks of npm's tiktoken: "! first token token …" with tokens in base64, as a .tiktoken.</summary>
    private static TemporaryDirectory? UnpackRanks(string encoder)
    {
        if (!File.Exists(encoder))
        {
            return null;
        }

        StringBuilder lines = new();
        foreach (string line in Parse(encoder)["bpe_ranks"]!.GetValue<string>().Split('\n'))
        {
            string[] fields = line.Split(' ');
            for (int i = 2; i < fields.Length; i++)
            {
                lines.Append(fields[i]).Append(' ').Append(int.Parse(fields[1]) + i - 2).Append('\n');
            }
        }

        TemporaryDirectory directory = new();
        directory.Write("ranks.tiktoken", lines.ToString());
        return directory;
    }

    private static TemporaryDirectory? Unpack(string packed)
    {
        try
        {
            ProcessStartInfo start =
                new("xz", ["-dc", packed]) { RedirectStandardOutput = true, UseShellExecute = false };
            using Process process = Process.Start(start)!;
            TemporaryDirectory directory = new();
            using (FileStream file = File.Create(
                Path.Combine(directory.Path, Path.GetFileNameWithoutExtension(packed))))
            {
                process.StandardOutput.BaseStream.CopyTo(file);
            }

            process.WaitForExit();
            return directory;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null; // no xz here
        }
    }

    private static Tokenizer Load(JsonObject json, JsonNode? config)
    {
        using TemporaryDirectory directory = new();
        directory.Write("tokenizer.json", json.ToJsonString());
        if (config is not null)
        {
            directory.Write("tokenizer_config.json", config.ToJsonString());
        }

        return Tokenizer.Load(directory.Path);
    }

    private void CheckConfigurations(string folder, JsonObject expected)
    {
        foreach (JsonNode? variant in expected["variants"]!.AsArray())
        {
            // These classes are built anew from vocabulary and merges there, and leave out what the file says; here
            // tokenizer.json rules, so only what agrees with it is compared.
            string? builtAnew = variant!["tokenizer_config"]?["tokenizer_class"]?.GetValue<string>();
            if (builtAnew is "LlamaTokenizer" or "LlamaTokenizerFast" or "Qwen2Tokenizer")
            {
                variant["cases"]!.AsArray().RemoveAll(c => !c!["same_as_raw"]!.GetValue<bool>());
            }

            string name = variant["base"]!.GetValue<string>();
            JsonObject json = Parse(Path.Combine(folder, name + ".json"));
            JsonNode? config = variant["tokenizer_config"];
            Check($"variants-config {name} {config?.ToJsonString()}", variant, () => Load(json, config));
        }
    }

    private void Check(string name, JsonNode expected, Func<Tokenizer> load)
    {
        Tokenizer? tokenizer = null;
        string? problem = null;
        try
        {
            tokenizer = load();
        }
        catch (TokenizerFormatException e)
        {
            problem = e.Message;
        }

        int before = _failed;
        int shown = 0;
        JsonArray cases = expected["cases"]!.AsArray();
        bool withoutBos = expected["note"]?.GetValue<string>() == "ids without bos and eos";
        foreach (JsonNode? item in cases)
        {
            _cases++;
            string? difference = tokenizer is null ? problem : Difference(
                tokenizer, item!.AsObject(), !withoutBos,
                listsSplits: !name.StartsWith("variants-config", StringComparison.Ordinal));
            if (difference is not null)
            {
                _failed++;
                shown++;
                if (shown <= 2)
                {
                    _failures.AppendLine($"{difference} ({name})");
                }
            }
        }

        output.WriteLine($"{cases.Count - (_failed - before)} of {cases.Count}: {name[..Math.Min(name.Length, 160)]}");
    }

    private static string? Difference(
        Tokenizer tokenizer, JsonObject item, bool addSpecialTokens, bool listsSplits)
    {
        string text = item["text"]!.GetValue<string>();
        int[] ids = Ids(item["ids"]!);
        int[] plain = item["ids_no_special"] is { } listed ? Ids(listed) : ids;
        int[]? split = item["ids_split_special"] is { } other ? Ids(other) : listsSplits ? plain : null;
        EncodeOptions options = new() { ApplyLengths = true, AddSpecialTokens = addSpecialTokens };
        return DifferenceOf("ids", ids, tokenizer.Encode(text, options), text)
            ?? DifferenceOf(
                "ids_no_special", plain, tokenizer.Encode(text, options with { AddSpecialTokens = false }), text)
            ?? (split is null ? null : DifferenceOf(
                "ids_split_special",
                split,
                tokenizer.Encode(text, options with { AddSpecialTokens = false, SplitSpecialTokens = true }),
                text))
            ?? DifferenceOf("decoded", item["decoded"], tokenizer, ids, skip: false)
            ?? DifferenceOf("decoded_skip_special", item["decoded_skip_special"], tokenizer, ids, skip: true)
            ?? (item["normalized"] is { } normalized && normalized.GetValue<string>() != tokenizer.Normalize(text)
                ? $"normalized: '{text}' is '{tokenizer.Normalize(text)}', not '{normalized}'"
                : null);
    }

    private static string? DifferenceOf(string what, int[] expected, int[] actual, string text) =>
        expected.AsSpan().SequenceEqual(actual)
            ? null
            : $"{what} of {JsonSerializer.Serialize(text)[..Math.Min(200, JsonSerializer.Serialize(text).Length)]}: "
                + $"{Short(actual)}, not {Short(expected)}";

    private static string? DifferenceOf(string what, JsonNode? expected, Tokenizer tokenizer, int[] ids, bool skip)
    {
        if (expected is null)
        {
            return null;
        }

        string text = expected.GetValue<string>();
        string decoded = tokenizer.Decode(ids, skip);
        if (decoded != text)
        {
            return $"{what}: {JsonSerializer.Serialize(decoded)}, not {JsonSerializer.Serialize(text)}";
        }

        IncrementalDetokenizer detokenizer = tokenizer.CreateDetokenizer([], skip);
        string pieces = string.Concat(ids.Select(detokenizer.Append)) + detokenizer.Flush();
        return pieces == text ? null : $"{what} in pieces: {JsonSerializer.Serialize(pieces)}, not {text}";
    }

    private static string Short(int[] ids) => string.Join(' ', ids.Take(24)) + (ids.Length > 24 ? " …" : "");

    private static int[] Ids(JsonNode ids) => [.. ids.AsArray().Select(id => id!.GetValue<int>())];

    private void Report()
    {
        output.WriteLine($"{_cases - _failed} of {_cases}");
        _failed.ShouldBe(0, _failures.ToString()[..Math.Min(_failures.Length, 20000)]);
    }
}
