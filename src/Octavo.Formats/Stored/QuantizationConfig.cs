using System.Text.Json;

namespace Octavo.Formats.Stored;

/// <summary>
/// What a model's directory says about how its weights are quantized: the <c>quantization_config</c> of
/// <c>config.json</c>, or a <c>quantize_config.json</c> beside it.
/// </summary>
internal abstract class QuantizationConfig
{
    /// <summary>The methods that are supported, as <c>quant_method</c> names them.</summary>
    public static IReadOnlyList<string> Methods { get; } =
        ["compressed-tensors", "gptq", "awq", "fp8", "bitsandbytes", "hqq", "torchao", "auto-round"];

    // What else there is, and what to take in its place.
    private static readonly Dictionary<string, string> Elsewhere = new()
    {
        ["quanto"] = "its weights need quanto itself; take the unquantized model, and octavo quantize",
        ["exl2"] = "ExLlama's files are for graphics processors; take the model as GPTQ, AWQ or GGUF",
        ["exl3"] = "ExLlama's files are for graphics processors; take the model as GPTQ, AWQ or GGUF",
        ["marlin"] = "Marlin's order of weights is for graphics processors; take the GPTQ model it was made of",
        ["gptq_marlin"] = "Marlin's order of weights is for graphics processors; take the GPTQ model it was made of",
    };

    /// <summary>The method, as <c>quant_method</c> names it.</summary>
    public abstract string Method { get; }

    /// <summary>How matrices are quantized where no exception is made, in words.</summary>
    public abstract string Summary { get; }

    /// <summary>What is not done exactly as the directory asks, in words; usually nothing.</summary>
    public virtual IReadOnlyList<string> Notes => [];

    /// <summary>
    /// Whether keys and values are to be cached as E4M3, with the scales that <see cref="KvCacheScales"/> reads.
    /// </summary>
    public virtual bool CachesFloat8 => false;

    /// <summary>The quantized matrix of a module, or null where its weight is stored as numbers.</summary>
    /// <param name="checkpoint">The tensors.</param>
    /// <param name="module">The module's name: its weight's, less <c>.weight</c>.</param>
    /// <exception cref="CheckpointException">The tensors are not what the configuration says.</exception>
    /// <exception cref="UnsupportedModelException">They are stored in a way that is not supported.</exception>
    public abstract QuantizedMatrix? Find(ITensorSet checkpoint, string module);

    /// <summary>Reads what a directory says; null where its weights are not quantized.</summary>
    /// <param name="config">Its <c>config.json</c>.</param>
    /// <param name="directory">The directory.</param>
    /// <exception cref="CheckpointException">A field is missing or wrong.</exception>
    /// <exception cref="UnsupportedModelException">The method or one of its options is not supported.</exception>
    internal static QuantizationConfig? Read(ConfigReader config, string directory)
    {
        string? field = Array.Find(["quantization_config", "compression_config"], config.Has);
        if (field is not null)
        {
            ConfigReader section = config.Section(field)!;
            return Make(section, section.Text("quant_method")
                ?? (field == "compression_config" ? "compressed-tensors" : throw section.Missing("quant_method")));
        }

        // AutoGPTQ and AutoAWQ wrote their settings only here, once.
        string beside = Path.Combine(directory, "quantize_config.json");
        if (!File.Exists(beside))
        {
            return null;
        }

        JsonElement settings = JsonFile.ReadObject(beside, 1 << 20, allowDuplicates: true);
        var reader = new ConfigReader(beside, settings);
        return Make(reader, reader.Text("quant_method") ?? (reader.Has("zero_point") ? "awq" : "gptq"));
    }

    private static QuantizationConfig Make(ConfigReader config, string method) => method switch
    {
        "compressed-tensors" => new CompressedTensorsConfig(config),
        "gptq" => new GptqConfig(config),
        "awq" => new AwqConfig(config),
        "fp8" => new Float8Config(config),
        "bitsandbytes" => new BitsAndBytesConfig(config),
        "hqq" => new HqqConfig(config),
        "torchao" => new TorchAoConfig(),
        "auto-round" or "intel/auto-round" => OfAutoRound(config),
        _ when Elsewhere.TryGetValue(method, out string? advice) =>
            throw config.Invalid("quant_method", $"is '{method}': {advice}"),
        _ => throw new UnsupportedModelException(config.File, config.PathOf("quant_method"), $"'{method}'", Methods),
    };

    // AutoRound writes the tensors of other methods.
    private static QuantizationConfig OfAutoRound(ConfigReader config)
    {
        string packing = config.Text("packing_format") ?? "auto_round:auto_gptq";
        return packing switch
        {
            "auto_round:auto_gptq" or "auto_round:gptqmodel" or "auto_gptq" => new GptqConfig(config),
            "auto_round:auto_awq" or "auto_awq" => new AwqConfig(config),
            _ => throw new UnsupportedModelException(
                config.File, config.PathOf("packing_format"), $"'{packing}'", "auto_round:auto_gptq",
                "auto_round:auto_awq"),
        };
    }

    private protected static void Require<T>(
        ConfigReader config, string field, T value, params ReadOnlySpan<T> supported)
        where T : IEquatable<T>
    {
        if (!supported.Contains(value))
        {
            throw new UnsupportedModelException(
                config.File, config.PathOf(field), FormattableString.Invariant($"{value}"),
                [.. supported.ToArray().Select(s => FormattableString.Invariant($"{s}"))]);
        }
    }
}
