namespace Octavo.Models;

/// <summary>
/// A layer's own embedding of the token enters the residual stream, gated by it:
/// <c>project(act(gate(x)) * input)</c> (per-layer embeddings, as in Gemma 4).
/// </summary>
internal sealed record LayerInputSpec : PartSpec
{
    /// <summary>Which of the decoder's <see cref="LayerInputs"/>.</summary>
    public required int Number { get; init; }

    /// <summary>Width of an input.</summary>
    public required int InputWidth { get; init; }

    /// <summary>The activation function.</summary>
    public required Activation Activation { get; init; }

    /// <summary>Gate, <c>[input, hidden]</c>.</summary>
    public required LinearTensors Gate { get; init; }

    /// <summary>Projection, <c>[hidden, input]</c>.</summary>
    public required LinearTensors Projection { get; init; }

    /// <inheritdoc/>
    public override IReadOnlyList<LinearSpec> Linears =>
    [
        new(LinearRole.InputGate, [new(MatrixRole.InputGate, Gate, InputWidth, Width)]),
        new(LinearRole.InputProjection, [new(MatrixRole.InputProjection, Projection, Width, InputWidth)]),
    ];
}

/// <summary>
/// What layers are given beside the residual stream, for each token and layer:
/// <c>(norm(scale · project(embedding)) + tableScale · table[token]) · sumScale</c>.
/// </summary>
/// <param name="Table">The layers' embeddings of the token, <c>[TableRows, count · width]</c>.</param>
/// <param name="TableRows">Tokens that it has rows for.</param>
/// <param name="Projection">From the token's embedding, <c>[count · width, hidden]</c>.</param>
/// <param name="Norm">The norm of each layer's part of that.</param>
/// <param name="Count">Inputs, one for each layer.</param>
/// <param name="Width">Width of one.</param>
internal sealed record LayerInputs(
    string Table, int TableRows, LinearTensors Projection, NormSpec Norm, int Count, int Width)
{
    /// <summary>What the table's rows are multiplied with.</summary>
    public float TableScale { get; init; } = 1;

    /// <summary>What the projection is multiplied with.</summary>
    public float ProjectionScale { get; init; } = 1;

    /// <summary>What the sum of both is multiplied with.</summary>
    public float SumScale { get; init; } = 1;
}
