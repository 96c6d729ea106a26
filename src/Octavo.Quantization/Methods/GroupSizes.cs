using Octavo.Cpu.Panels;
using Octavo.Models;

namespace Octavo.Quantization.Methods;

/// <summary>
/// How many inputs may share a scale: one number for a whole model, since few engines load a file whose matrices
/// differ.
/// </summary>
internal static class GroupSizes
{
    private static readonly int[] Usual = [128, 64, 32];

    /// <summary>The inputs of the matrices that a recipe quantizes, each number once.</summary>
    /// <param name="spec">The model.</param>
    /// <param name="head">Whether the output head is among them.</param>
    public static IReadOnlyList<int> InputsOf(DecoderSpec spec, bool head)
    {
        IEnumerable<int> layers = spec.Layers.SelectMany(layer => layer.Linears).Select(linear => linear.Columns);
        return [.. layers.Concat(head ? [spec.Head.Columns] : []).Distinct().Order()];
    }

    /// <summary>The groups that divide all of these inputs and that kernels take, in rising order.</summary>
    public static IReadOnlyList<int> Allowed(IReadOnlyList<int> inputs)
    {
        return [.. Enumerable.Range(1, inputs.Min())
            .Where(g => inputs.All(n => n % g == 0 && g >= Math.Min(QuantizedSource.ShortestGroup, n)))];
    }

    /// <summary>
    /// The largest of 128, 64 and 32 that serves all of these inputs; where none does, the largest number that does.
    /// </summary>
    /// <param name="inputs">The inputs of the matrices to be quantized.</param>
    /// <param name="unusual">True where it is none of those three, which other engines will not load.</param>
    /// <exception cref="QuantizationException">No group serves all of them.</exception>
    public static int Choose(IReadOnlyList<int> inputs, out bool unusual)
    {
        IReadOnlyList<int> allowed = Allowed(inputs);
        int usual = Usual.FirstOrDefault(allowed.Contains);
        unusual = usual == 0;
        int any = allowed.LastOrDefault();
        return usual > 0 ? usual : any > 0 ? any : throw new QuantizationException(
            $"no group of at least {QuantizedSource.ShortestGroup} inputs divides those of all matrices "
                + $"({Words(inputs)}): take int8-channel or fp8, which need none");
    }

    /// <summary>Checks a group that somebody chose.</summary>
    /// <exception cref="QuantizationException">It does not serve all inputs; the message names those that
    /// do.</exception>
    public static void Require(int group, IReadOnlyList<int> inputs)
    {
        IReadOnlyList<int> allowed = Allowed(inputs);
        if (!allowed.Contains(group))
        {
            string right = allowed.Count > 0
                ? $"those that work are {Words(allowed)}"
                : "no group works; take int8-channel or fp8, which need none";
            throw new QuantizationException(
                $"group size {group} does not work: it must divide the inputs of every matrix to be quantized "
                    + $"({Words(inputs)}) and be at least {QuantizedSource.ShortestGroup}; {right}");
        }
    }

    /// <summary>Whether other engines have kernels for a group.</summary>
    internal static bool IsUsual(int group) => Usual.Contains(group);

    private static string Words(IReadOnlyList<int> numbers) => string.Join(", ", numbers);
}
