namespace Octavo.Models;

/// <summary>A decoder layer: parts that the residual stream passes one after another.</summary>
/// <param name="Parts">The parts, in the order they run.</param>
internal sealed record LayerSpec(IReadOnlyList<PartSpec> Parts)
{
    /// <summary>The linear layers of all parts, in the order they run.</summary>
    public IEnumerable<LinearSpec> Linears => Parts.SelectMany(part => part.Linears);

    /// <summary>What parts compute with beside matrices and norms.</summary>
    public IEnumerable<VectorSpec> Vectors => Parts.SelectMany(part => part.Vectors);

    /// <summary>The norms of all parts.</summary>
    public IEnumerable<NormSpec> Norms => Parts.SelectMany(part => part.Norms);
}

/// <summary>A part of a layer: a function of the residual stream whose result is added to it.</summary>
internal abstract record PartSpec
{
    private protected PartSpec()
    {
    }

    /// <summary>Width of the residual stream.</summary>
    public required int Width { get; init; }

    /// <summary>The norm of the part's input, <c>x + f(norm(x))</c>, or null.</summary>
    public NormSpec? NormBefore { get; init; }

    /// <summary>The norm of the part's result, <c>x + norm(f(x))</c>, or null.</summary>
    public NormSpec? NormOutput { get; init; }

    /// <summary>The norm of the sum, <c>norm(x + f(x))</c>, or null.</summary>
    public NormSpec? NormAfter { get; init; }

    /// <summary>What the part's result is multiplied with before it is added.</summary>
    public float ResidualScale { get; init; } = 1;

    /// <summary>
    /// Whether the part reads what the layer was given, and not what the parts before it made of that: layers whose
    /// parts stand beside each other.
    /// </summary>
    public bool ReadsLayerInput { get; init; }

    /// <summary>
    /// The tensor of a number, <c>[1]</c>, that the sum is multiplied with before its norm; null where there is none.
    /// </summary>
    public string? SumScale { get; init; }

    /// <summary>The linear layers, in the order they run: matrices that share an input are one.</summary>
    public abstract IReadOnlyList<LinearSpec> Linears { get; }

    /// <summary>What it computes with beside matrices and norms.</summary>
    public virtual IEnumerable<VectorSpec> Vectors => SumScale is null ? [] : [new VectorSpec(SumScale, 1)];

    /// <summary>The norms; a kind that has others than these adds them.</summary>
    public virtual IEnumerable<NormSpec> Norms => new[] { NormBefore, NormOutput, NormAfter }.OfType<NormSpec>();
}
