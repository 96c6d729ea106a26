namespace Octavo.Models;

/// <summary>An MLP: <c>down(act(gate(x)) * up(x))</c>, or without a gate <c>down(act(up(x)))</c>.</summary>
internal sealed record FeedForwardSpec : PartSpec
{
    /// <summary>Width of the inner layer.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>The activation function.</summary>
    public required Activation Activation { get; init; }

    /// <summary>The activation's own numbers, or null where it has none.</summary>
    public XIeluTensors? ActivationTensors { get; init; }

    /// <summary>Gate projection, <c>[intermediate, hidden]</c>; null where there is none.</summary>
    public LinearTensors? Gate { get; init; }

    /// <summary>Up projection, <c>[intermediate, hidden]</c>.</summary>
    public required LinearTensors Up { get; init; }

    /// <summary>Down projection, <c>[hidden, intermediate]</c>.</summary>
    public required LinearTensors Down { get; init; }

    /// <summary>Whether a gate multiplies what comes up.</summary>
    public bool IsGated => Gate is not null;

    /// <inheritdoc/>
    public override IEnumerable<VectorSpec> Vectors => [.. base.Vectors, .. ActivationTensors?.All ?? []];

    /// <inheritdoc/>
    public override IReadOnlyList<LinearSpec> Linears
    {
        get
        {
            var up = new MatrixSpec(MatrixRole.Up, Up, IntermediateSize, Width);
            return
            [
                new(
                    LinearRole.GateUp,
                    Gate is null ? [up] : [new MatrixSpec(MatrixRole.Gate, Gate, IntermediateSize, Width), up]),
                new(LinearRole.Down, [new(MatrixRole.Down, Down, Width, IntermediateSize)]),
            ];
        }
    }
}

/// <summary>The learned numbers of <see cref="Activation.XIelu"/>, each before its softplus.</summary>
/// <param name="Positive">The tensor of α for numbers above 0, <c>[1]</c>.</param>
/// <param name="Negative">The tensor of α for the others, <c>[1]</c>.</param>
internal sealed record XIeluTensors(string Positive, string Negative)
{
    /// <summary>Both.</summary>
    public VectorSpec[] All => [new VectorSpec(Positive, 1), new VectorSpec(Negative, 1)];
}

/// <summary>An activation function.</summary>
internal enum Activation
{
    /// <summary><c>x · sigmoid(x)</c></summary>
    Silu,

    /// <summary><c>max(x, 0)</c></summary>
    Relu,

    /// <summary><c>max(x, 0)²</c></summary>
    SquaredRelu,

    /// <summary><c>x · Φ(x)</c>, by the error function (arXiv 1606.08415).</summary>
    Gelu,

    /// <summary><c>x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))</c></summary>
    TanhGelu,

    /// <summary>
    /// With learned numbers: <c>α₊ x² + x/2</c> above 0, else <c>α₋ (e^x − 1 − x) + x/2</c> (arXiv 2411.13010).
    /// </summary>
    XIelu,
}
