namespace Octavo.Models;

/// <summary>
/// The modules of a <see cref="PlainLayout"/>, less what stands before: those of a layer without its own.
/// </summary>
internal sealed record PlainNames
{
    /// <summary>GPT-2's.</summary>
    public static PlainNames Gpt2 { get; } = new()
    {
        Root = "transformer.",
        Embedding = "wte",
        Layers = "h",
        AttentionNorm = "ln_1",
        MlpNorm = "ln_2",
        FinalNorm = "ln_f",
        AttentionOutput = "attn.c_proj",
        Up = "mlp.c_fc",
        Down = "mlp.c_proj",
    };

    /// <summary>What names begin with; files of the bare model lack it.</summary>
    public required string Root { get; init; }

    /// <summary>The token embedding.</summary>
    public required string Embedding { get; init; }

    /// <summary>The list of layers.</summary>
    public required string Layers { get; init; }

    /// <summary>The norm before attention.</summary>
    public required string AttentionNorm { get; init; }

    /// <summary>The norm before the MLP.</summary>
    public required string MlpNorm { get; init; }

    /// <summary>The norm behind the layers.</summary>
    public required string FinalNorm { get; init; }

    /// <summary>Attention's output.</summary>
    public required string AttentionOutput { get; init; }

    /// <summary>The MLP's first layer.</summary>
    public required string Up { get; init; }

    /// <summary>Its last.</summary>
    public required string Down { get; init; }
}
