using Octavo.Formats.Quantization;

namespace Octavo.Quantization;

/// <summary>How one matrix is quantized when a checkpoint is written.</summary>
/// <param name="Kind">Integers or E4M3.</param>
/// <param name="Bits">Bits a code: 4 or 8.</param>
/// <param name="GroupSize">Inputs that share a scale; 0 is one scale for each output channel, and <see cref="AutoGroup"/> the
/// group that serves the whole model.</param>
/// <param name="Asymmetric">Whether there are zero-points.</param>
/// <param name="Activations">What becomes of the activations that meet it.</param>
public sealed record WeightScheme(CodeKind Kind, int Bits, int GroupSize, bool Asymmetric, StoredActivations Activations)
{
    /// <summary>The <see cref="GroupSize"/> that <see cref="GroupSizes.Choose"/> finds for a model.</summary>
    public const int AutoGroup = -1;

    private static readonly OrderedDictionary<string, WeightScheme> Schemes = new()
    {
        ["int8"] = new(CodeKind.Integer, 8, AutoGroup, false, StoredActivations.Int8),
        ["int8-channel"] = new(CodeKind.Integer, 8, 0, false, StoredActivations.Int8),
        ["int8-weight"] = new(CodeKind.Integer, 8, AutoGroup, false, StoredActivations.Plain),
        ["int4"] = new(CodeKind.Integer, 4, AutoGroup, false, StoredActivations.Int8),
        ["int4-weight"] = new(CodeKind.Integer, 4, AutoGroup, false, StoredActivations.Plain),
        ["fp8"] = new(CodeKind.Float8, 8, 0, false, StoredActivations.Plain),
    };

    /// <summary>The names that <see cref="Named"/> takes.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Schemes.Keys];

    /// <summary>The scheme of a name.</summary>
    /// <exception cref="QuantizationException">There is none of that name.</exception>
    public static WeightScheme Named(string name) =>
        Schemes.TryGetValue(name?.ToLowerInvariant() ?? string.Empty, out WeightScheme? scheme)
            ? scheme
            : throw new QuantizationException($"scheme \"{name}\" is not one that a checkpoint can be written in; there are {string.Join(", ", Names)}");

    /// <summary>Whether groups of inputs share a scale.</summary>
    public bool IsGrouped => GroupSize != 0;

    /// <summary>Bits a weight, scales and zero-points included, scales of 16 bits.</summary>
    public double BitsPerWeight => Bits + (GroupSize == 0 ? 0 : (16.0 + (Asymmetric ? Bits : 0)) / GroupSize);

    /// <summary>How many of a matrix's inputs share a scale: a group, which divides them, or all.</summary>
    internal int GroupOf(int inputs) => GroupSize > 0 ? GroupSize : inputs;

    /// <inheritdoc/>
    public override string ToString()
    {
        string codes = Kind == CodeKind.Float8 ? "fp8" : $"int{Bits}";
        string scales = GroupSize == 0 ? "channel" : $"group {GroupSize}";
        return $"{codes}, {scales}{(Asymmetric ? ", asymmetric" : string.Empty)}{(Activations == StoredActivations.Int8 ? ", int8 activations" : string.Empty)}";
    }
}
