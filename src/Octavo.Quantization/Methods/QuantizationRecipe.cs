using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Quantization.Methods;

/// <summary>How codes are found.</summary>
public enum QuantizationMethod
{
    /// <summary>Round to nearest; no calibration.</summary>
    Rtn,

    /// <summary>SmoothQuant, then round to nearest.</summary>
    SmoothQuant,

    /// <summary>GPTQ.</summary>
    Gptq,

    /// <summary>AWQ's scales and ranges, then round to nearest.</summary>
    Awq,
}

/// <summary>Everything that decides a quantized checkpoint, but the model and the calibration text.</summary>
public sealed record QuantizationRecipe
{
    /// <summary>The scheme of the layers' matrices.</summary>
    public required WeightScheme Scheme { get; init; }

    /// <summary>How codes are found.</summary>
    public QuantizationMethod Method { get; init; }

    /// <summary>How ranges are chosen.</summary>
    public Observer Observer { get; init; } = new();

    /// <summary>GPTQ's settings.</summary>
    public Gptq Gptq { get; init; } = new();

    /// <summary>AWQ's settings.</summary>
    public Awq Awq { get; init; } = new();

    /// <summary>SmoothQuant's migration strength, from 0 (all in the activations) to 1 (all in the weights).</summary>
    public double SmoothingStrength { get; init; } = 0.5;

    /// <summary>
    /// The scheme of the output head, rounded to nearest; null leaves it alone. A head tied to the embedding is untied.
    /// </summary>
    public WeightScheme? Head { get; init; }

    /// <summary>Exceptions: the scheme of a stack of matrices, null to leave it alone.</summary>
    internal IReadOnlyDictionary<(int Layer, LinearRole Role), WeightScheme?> Exceptions { get; init; } =
        new Dictionary<(int, LinearRole), WeightScheme?>();

    /// <summary>Whether calibration text is needed.</summary>
    public bool NeedsCalibration => Method != QuantizationMethod.Rtn;

    /// <summary>The scheme of a name, one of <see cref="WeightScheme.QuantizedNames"/>.</summary>
    /// <exception cref="QuantizationException">There is none of that name.</exception>
    public static WeightScheme SchemeNamed(string name) =>
        WeightScheme.TryGet(name, out WeightScheme? scheme) && scheme.IsQuantized
            ? scheme
            : throw new QuantizationException(
                $"scheme \"{name}\" is not one that a checkpoint can be written in; there are "
                    + $"{string.Join(", ", WeightScheme.QuantizedNames)}");

    /// <summary>
    /// The recipe for one model: <see cref="WeightScheme.AutoGroup"/> becomes the group that serves all of its
    /// matrices, and a group that somebody chose is checked.
    /// </summary>
    /// <param name="spec">The model.</param>
    /// <param name="warning">What its user should know of the group; null where there is nothing.</param>
    /// <exception cref="QuantizationException">No group, or not this one, serves the model.</exception>
    internal QuantizationRecipe For(DecoderSpec spec, out string? warning)
    {
        warning = null;
        if (!Scheme.IsGrouped)
        {
            return this;
        }

        IReadOnlyList<int> inputs = GroupSizes.InputsOf(spec, Head is not null);
        int group = Scheme.GroupSize;
        if (group != WeightScheme.AutoGroup)
        {
            GroupSizes.Require(group, inputs);
        }
        else
        {
            group = GroupSizes.Choose(inputs, out bool unusual);
            warning = unusual ? $"none of the groups 128, 64 and 32 divides the inputs of every matrix "
                + $"({string.Join(", ", inputs)}); with {group} other engines will not load it" : null;
        }

        return this with
        {
            Scheme = Scheme with { GroupSize = group },
            Head = Settled(Head),
            Exceptions = Exceptions.ToDictionary(e => e.Key, e => Settled(e.Value)),
        };

        WeightScheme? Settled(WeightScheme? scheme) =>
            scheme is { GroupSize: WeightScheme.AutoGroup } ? scheme with { GroupSize = group } : scheme;
    }

    internal WeightScheme? SchemeOf(int layer, LinearRole role) =>
        Exceptions.TryGetValue((layer, role), out WeightScheme? exception) ? exception : Scheme;
}
