using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Text;

namespace Octavo.Cli.Inspect;

/// <summary>Layers of one window, and what they keep of a request of the greatest length.</summary>
/// <param name="Window">The window in tokens; null where they keep everything.</param>
/// <param name="Layers">Layers.</param>
/// <param name="Bytes">Bytes at most.</param>
internal sealed record CacheKind(int? Window, int Layers, long Bytes)
{
    /// <summary>The kind in words.</summary>
    public string Title => (Window is { } window ? $"over {window} tokens" : "over all")
        + $", {Layers} {(Layers == 1 ? "layer" : "layers")}";
}

/// <summary>What <c>octavo inspect</c> knows, before it is printed one way or the other.</summary>
internal sealed record InspectReport
{
    /// <summary>The plan, as loading would make it.</summary>
    public required ModelInfo Plan { get; init; }

    /// <summary>Every tensor, in the order of the layers.</summary>
    public required IReadOnlyList<TensorRow> Tensors { get; init; }

    /// <summary>Bytes of all tensors in the files.</summary>
    public required long CheckpointBytes { get; init; }

    /// <summary>Bytes of the packed weights in each scheme they can be loaded in.</summary>
    public required IReadOnlyDictionary<WeightScheme, long> WeightBytes { get; init; }

    /// <summary>Parameters, each counted once, however many share a word; scales and zero-points are none.</summary>
    public required long Parameters { get; init; }

    /// <summary>Bytes of a block of the key-value cache.</summary>
    public long BytesPerBlock => Plan.KvCacheBytes / Plan.NumBlocks;

    /// <summary>Bytes that a step passes through.</summary>
    public long ActivationBytes => Plan.StepBytes;

    /// <summary>Bytes that the loaded model takes.</summary>
    public long TotalBytes => Plan.WeightBytes + Plan.KvCacheBytes + ActivationBytes;

    /// <summary>Tokens that the key-value cache holds.</summary>
    public long CacheTokens => Plan.KvCacheTokens;

    /// <summary>What the layers of each window take.</summary>
    public IEnumerable<CacheKind> CacheKinds() => Plan.CacheGroups.GroupBy(group => group.Window).Select(kind =>
    {
        long blocks = kind.MostBlocks(Plan.MaxModelLen, Plan.BlockSize, Plan.MaxNumBatchedTokens);
        return new CacheKind(kind.Key, kind.Sum(group => group.Layers.Count), blocks * BytesPerBlock);
    });

    /// <summary>The decoder in words: name and value.</summary>
    public IEnumerable<(string Name, string Value)> SpecRows() =>
        [.. SpecRows(Plan.Spec), ("end of text", string.Join(", ", Plan.EosTokenIds))];

    /// <summary>A decoder in words: name and value.</summary>
    public static IEnumerable<(string Name, string Value)> SpecRows(DecoderSpec spec)
    {
        FeedForwardSpec? mlp = spec.FeedForwards.FirstOrDefault();
        yield return ("architecture", spec.Architecture);
        yield return ("layers", $"{spec.NumLayers}");
        yield return ("hidden size", $"{spec.HiddenSize}");
        if (spec.EmbeddingSize != spec.HiddenSize)
        {
            yield return ("embedding size", $"{spec.EmbeddingSize}");
        }

        if (mlp is not null)
        {
            yield return ("intermediate size", $"{mlp.IntermediateSize}");
        }

        foreach (IGrouping<(int, int, int), AttentionSpec> shape in spec.Attentions.GroupBy(a => a.Shape))
        {
            (int heads, int kvHeads, int headDim) = shape.Key;
            int count = shape.Count();
            yield return (
                "attention heads",
                $"{heads} of {headDim}, {kvHeads} for keys and values"
                    + (count == spec.Attentions.Count() ? string.Empty : $", in {count} layers"));
        }

        if (spec.Attentions.Count(a => a.CacheOf is not null) is > 0 and int sharing)
        {
            yield return ("shared caches", $"{sharing} layers read keys and values of another one");
        }

        if (spec.LayerInputs is { } inputs)
        {
            yield return ("layer inputs", $"{inputs.Width} numbers of each token for each layer");
        }

        yield return ("vocabulary", $"{spec.VocabSize}");
        yield return ("positions", $"{spec.MaxPositionEmbeddings}, {Positions(spec)}");
        foreach (string windows in Windows(spec))
        {
            yield return ("attention", windows);
        }

        if (spec.Norms.FirstOrDefault() is { } norm)
        {
            yield return ("norm", $"{(norm.Kind == NormKind.Rms ? "RMS" : "layer")}, {Places(spec)} each sublayer, "
                + $"epsilon {norm.Epsilon}");
        }

        if (mlp is not null)
        {
            yield return (
                "MLP", $"{mlp.Activation.ToString().ToLowerInvariant()}, {(mlp.IsGated ? "gated" : "plain")}");
        }

        yield return ("output head", spec.TiesHead ? "tied to the embedding" : "its own");
    }

    /// <summary>Reads a model's configuration and headers, and plans it; no weight is read.</summary>
    public static InspectReport Make(string model, EngineOptions options)
    {
        using var opened = Model.Open(model);
        Checkpoint checkpoint = opened.Checkpoint;
        Tokenizer? tokenizer = LoadTokenizer(opened, out string? problem);
        ModelPlan layout = opened.Plan(options, tokenizer);
        ModelInfo plan = layout.Info;
        return new InspectReport
        {
            Plan = problem is null ? plan : plan with { Notes = [.. plan.Notes, problem] },
            Tensors = [.. checkpoint.Tensors.Values.Select(TensorRow.Of).Order(TensorRow.NaturalOrder)],
            CheckpointBytes = checkpoint.TotalBytes,
            WeightBytes = checkpoint.Quantization is null
                ? WeightScheme.Names.Select(ModelPlan.SchemeNamed)
                    .ToDictionary(s => s, s => s == plan.Weights ? plan.WeightBytes : layout.WeightBytesIn(s))
                : new Dictionary<WeightScheme, long> { [plan.Weights] = plan.WeightBytes },
            Parameters = checkpoint.Tensors.Values.Sum(t => ParametersOf(checkpoint, t)),
        };
    }

    // A tokenizer that cannot be read keeps a model from being served, not from being looked at.
    private static Tokenizer? LoadTokenizer(Model model, out string? problem)
    {
        problem = null;
        if (!model.HasTokenizer)
        {
            return null;
        }

        try
        {
            return model.LoadTokenizer();
        }
        catch (TokenizerFormatException e)
        {
            problem = "the tokenizer cannot be used: " + e.Message;
            return null;
        }
    }

    private static long ParametersOf(Checkpoint checkpoint, Tensor tensor)
    {
        int dot = Math.Max(0, tensor.Name.LastIndexOf('.'));
        string module = tensor.Name[..dot];
        string part = tensor.Name[dot..];
        bool quantized = Array.Exists(
            [".qweight", ".weight_packed", ".weight_scale"], suffix => checkpoint.Contains(module + suffix));
        if (!quantized || part == ".bias")
        {
            return tensor.ElementCount;
        }

        return part is ".qweight" or ".weight_packed" or ".weight"
            && checkpoint.FindQuantized(module + ".weight") is { } matrix
            ? (long)matrix.Rows * matrix.Columns
            : 0;
    }

    private static string Places(DecoderSpec spec)
    {
        PartSpec[] parts = [.. spec.Layers.SelectMany(layer => layer.Parts)];
        bool before = Array.Exists(parts, part => part.NormBefore is not null);
        bool after = Array.Exists(parts, part => (part.NormAfter ?? part.NormOutput) is not null);
        return before && after ? "before and after" : before ? "before" : "after";
    }

    // How many layers attend to how much, where not all attend to everything.
    private static IEnumerable<string> Windows(DecoderSpec spec)
    {
        if (spec.Attentions.All(attention => attention.Window is null))
        {
            return [];
        }

        IEnumerable<string> kinds = spec.Attentions.GroupBy(attention => attention.Window).Select(group =>
            $"{group.Count()} {(group.Count() == 1 ? "layer" : "layers")} "
            + (group.Key is { } window ? $"over {window} tokens" : "over all"));
        return [string.Join(", ", kinds)];
    }

    private static string Positions(DecoderSpec spec) => string.Join(
        "; ", spec.Attentions.Select(attention => attention.Positions).Distinct()
            .Select(positions => positions is null && spec.LearnedPositions is null ? "none" : Positions(positions))
            .DefaultIfEmpty("none"));

    private static string Positions(PositionSpec? positions) => positions switch
    {
        RotaryPositions { Scaling: null } rotary => $"rotary (theta {rotary.Theta})",
        RotaryPositions { Scaling: LinearRopeScaling linear } rotary =>
            $"rotary (theta {rotary.Theta}, linear scaling by {linear.Factor})",
        RotaryPositions { Scaling: Llama3RopeScaling llama } rotary =>
            $"rotary (theta {rotary.Theta}, Llama 3 scaling by {llama.Factor})",
        RotaryPositions { Scaling: ProportionalRopeScaling part } rotary =>
            $"rotary (theta {rotary.Theta}, {part.Rotated} pairs of a head turn)",
        RotaryPositions { Scaling: LongRopeScaling extended } rotary =>
            $"rotary (theta {rotary.Theta}, LongRoPE: other factors with --max-model-len above "
            + $"{extended.UnchangedUpTo})",
        RotaryPositions { Scaling: DynamicRopeScaling dynamic } rotary =>
            $"rotary (theta {rotary.Theta}, dynamic scaling with --max-model-len above {dynamic.UnchangedUpTo})",
        RotaryPositions rotary => $"rotary (theta {rotary.Theta}, scaled)",
        AlibiPositions => "ALiBi",
        _ => "learned",
    };
}
