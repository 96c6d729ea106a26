using System.Diagnostics.CodeAnalysis;
using Octavo.Formats.Stored;

namespace Octavo.Formats;

/// <summary>How a weight is written.</summary>
public enum WeightCode
{
    /// <summary>Four bytes, a number.</summary>
    Float32,

    /// <summary>Two bytes, a number.</summary>
    BFloat16,

    /// <summary>Two bytes, a number.</summary>
    Float16,

    /// <summary>One byte, E4M3: no infinities, largest 448; times a scale.</summary>
    Float8,

    /// <summary>A signed integer of eight bits, times a scale.</summary>
    Int8,

    /// <summary>A signed integer of four bits, times a scale.</summary>
    Int4,

    /// <summary>An integer of six bits, times a scale, as GGUF's blocks have it.</summary>
    Int6,
}

/// <summary>How weight matrices are stored, and what becomes of the activations that meet them.</summary>
/// <param name="Code">How a weight is written.</param>
/// <param name="GroupSize">Inputs that share a scale; 0 is one scale for each output channel, or none where weights are
/// numbers, and <see cref="AutoGroup"/> leaves it to whoever quantizes.</param>
/// <param name="Asymmetric">Whether there are zero-points.</param>
/// <param name="Activations">What becomes of the activations that meet it.</param>
public sealed record WeightScheme(
    WeightCode Code, int GroupSize = 0, bool Asymmetric = false,
    StoredActivations Activations = StoredActivations.Plain)
{
    /// <summary>The <see cref="GroupSize"/> of schemes whose group follows from the model.</summary>
    public const int AutoGroup = -1;

    /// <summary>Inputs that share a scale where nothing speaks against it.</summary>
    public const int UsualGroup = 128;

    private static readonly OrderedDictionary<string, WeightScheme> Schemes = new()
    {
        ["float32"] = new(WeightCode.Float32),
        ["bf16"] = new(WeightCode.BFloat16),
        ["fp16"] = new(WeightCode.Float16),
        ["fp8"] = new(WeightCode.Float8),
        ["int8"] = new(WeightCode.Int8, AutoGroup, Activations: StoredActivations.Int8),
        ["int8-channel"] = new(WeightCode.Int8, Activations: StoredActivations.Int8),
        ["int8-weight"] = new(WeightCode.Int8, AutoGroup),
        ["int4"] = new(WeightCode.Int4, AutoGroup, Activations: StoredActivations.Int8),
        ["int4-weight"] = new(WeightCode.Int4, AutoGroup),
    };

    /// <summary>Weights as float32 numbers.</summary>
    public static WeightScheme Float32 => Schemes["float32"];

    /// <summary>Weights as bfloat16 numbers.</summary>
    public static WeightScheme BFloat16 => Schemes["bf16"];

    /// <summary>The names that <see cref="TryGet"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Schemes.Keys];

    /// <summary>Those of them whose weights are quantized, integers first.</summary>
    public static IReadOnlyList<string> QuantizedNames { get; } =
        [.. Schemes.Where(s => s.Value.IsQuantized).OrderBy(s => s.Value.Kind).Select(s => s.Key)];

    /// <summary>The scheme's name; null where it has none.</summary>
    public string? Name => Schemes.FirstOrDefault(s => s.Value == this).Key;

    /// <summary>Whether weights are codes, with scales.</summary>
    public bool IsQuantized => Code is WeightCode.Float8 or WeightCode.Int8 or WeightCode.Int4 or WeightCode.Int6;

    /// <summary>Whether groups of inputs share a scale.</summary>
    public bool IsGrouped => GroupSize != 0;

    /// <summary>What the codes are.</summary>
    /// <exception cref="InvalidOperationException">Weights are numbers.</exception>
    internal CodeKind Kind => Code switch
    {
        WeightCode.Float8 => CodeKind.Float8,
        WeightCode.Int8 or WeightCode.Int4 or WeightCode.Int6 => CodeKind.Integer,
        WeightCode.Float32 or WeightCode.BFloat16 or WeightCode.Float16 =>
            throw new InvalidOperationException($"{Code} is no code of a quantized weight"),
    };

    /// <summary>Bits a weight, without its scale.</summary>
    public int Bits => Code switch
    {
        WeightCode.Float32 => 32,
        WeightCode.BFloat16 or WeightCode.Float16 => 16,
        WeightCode.Float8 or WeightCode.Int8 => 8,
        WeightCode.Int4 => 4,
        WeightCode.Int6 => 6,
    };

    /// <summary>Bits a weight, scales and zero-points included, scales of 16 bits.</summary>
    public double BitsPerWeight => Bits + (GroupSize == 0 ? 0 : (16.0 + (Asymmetric ? Bits : 0)) / GroupSize);

    /// <summary>
    /// The scheme of the output head beside layers of this one: it decides every token, and four bits are too few for
    /// it.
    /// </summary>
    public WeightScheme ForHead => Code == WeightCode.Int4 ? this with { Code = WeightCode.Int8 } : this;

    /// <summary>Finds a scheme by its name, in any case.</summary>
    public static bool TryGet(string name, [NotNullWhen(true)] out WeightScheme? scheme)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Schemes.TryGetValue(name.ToLowerInvariant(), out scheme);
    }

    /// <summary>How many of a matrix's inputs share a scale: a group, which divides them, or all.</summary>
    public int GroupOf(int inputs) => GroupSize > 0 ? GroupSize : inputs;

    /// <summary>
    /// The largest number of inputs up to <paramref name="group"/> that divides a matrix's; 0 stays 0.
    /// </summary>
    public static int FitGroup(int group, int inputs)
    {
        int fitting = Math.Min(group, inputs);
        while (fitting > 0 && inputs % fitting != 0)
        {
            fitting--;
        }

        return fitting;
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        if (!IsQuantized)
        {
            return Name ?? Code.ToString();
        }

        string codes = Kind == CodeKind.Float8 ? "fp8" : $"int{Bits}";
        string scales = GroupSize == 0 ? "channel" : $"group {GroupSize}";
        return $"{codes}, {scales}{(Asymmetric ? ", asymmetric" : string.Empty)}"
            + (Activations == StoredActivations.Int8 ? ", int8 activations" : string.Empty);
    }
}
