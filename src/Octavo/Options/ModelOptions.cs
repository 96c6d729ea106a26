using Octavo.Engine;
using Octavo.Formats;

namespace Octavo;

/// <summary>The arithmetic and storage of weights.</summary>
public enum ModelDtype
{
    /// <summary>As the checkpoint stores them: bfloat16 for BF16 checkpoints, float32 for F32 and F16 ones.</summary>
    Auto,

    /// <summary>Weights and cache in float32.</summary>
    Float32,

    /// <summary>Weights and cache in bfloat16, arithmetic in float32.</summary>
    BFloat16,
}

/// <summary>
/// What quantization at load does to the output head. The embedding's rows are always read as they are stored.
/// </summary>
public enum HeadQuantization
{
    /// <summary>As the layers, but never fewer than eight bits: the head decides every token.</summary>
    Auto,

    /// <summary>Kept in the checkpoint's own type.</summary>
    Never,

    /// <summary>As the layers, whatever their bits.</summary>
    Always,
}

/// <summary>Where the defaults of sampling come from.</summary>
public enum GenerationConfigSource
{
    /// <summary>From the model's <c>generation_config.json</c>.</summary>
    Auto,

    /// <summary>vLLM's own neutral defaults.</summary>
    Vllm,
}

/// <summary>What is loaded, in which form, and under which name.</summary>
public sealed record ModelOptions
{
    /// <summary>The type of weights.</summary>
    public ModelDtype Dtype { get; init; } = ModelDtype.Auto;

    /// <summary>The scheme that weights are quantized to at load, one of <see cref="WeightScheme.Names"/>; null keeps
    /// <see cref="Dtype"/>, or what the checkpoint stores quantized.</summary>
    public string? Quantization { get; init; }

    /// <summary>What that does to the output head.</summary>
    public HeadQuantization QuantizeHead { get; init; } = HeadQuantization.Auto;

    /// <summary>The longest sequence, prompt and output, in tokens; null takes the model's own.</summary>
    public int? MaxModelLen { get; init; }

    /// <summary>Threads that share the work; null takes OCTAVO_THREADS, or one a processor.</summary>
    public int? Threads { get; init; }

    /// <summary>Load no tokenizer: token ids in, token ids out.</summary>
    public bool SkipTokenizerInit { get; init; }

    /// <summary>Where sampling defaults come from.</summary>
    public GenerationConfigSource GenerationConfig { get; init; } = GenerationConfigSource.Auto;

    /// <summary>The name that the model goes by; null takes its directory's name.</summary>
    public string? ServedModelName { get; init; }

    /// <summary>Notes all that is wrong.</summary>
    public void Validate(ICollection<ParameterFault> faults)
    {
        if (Quantization is not null)
        {
            CheckScheme(faults, Quantization, out _);
        }

        faults.Check(MaxModelLen is null or >= 2, nameof(MaxModelLen), $"must be at least 2", MaxModelLen);
        PlanRequest.CheckThreads(faults, Threads);
    }

    internal static void CheckScheme(ICollection<ParameterFault> faults, string name, out WeightScheme? scheme) =>
        faults.Check(
            WeightScheme.TryGet(name, out scheme),
            nameof(Quantization),
            $"must be one of {string.Join(", ", WeightScheme.Names)}",
            name);
}
