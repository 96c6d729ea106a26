namespace Octavo.Models;

/// <summary>What a matrix does in its part.</summary>
internal enum MatrixRole
{
    /// <summary>Residual stream to queries.</summary>
    Query,

    /// <summary>Residual stream to keys.</summary>
    Key,

    /// <summary>Residual stream to values.</summary>
    Value,

    /// <summary>Attended values to residual stream.</summary>
    AttentionOutput,

    /// <summary>Residual stream to the MLP's gate.</summary>
    Gate,

    /// <summary>Residual stream to the MLP's inner layer.</summary>
    Up,

    /// <summary>The MLP's inner layer to residual stream.</summary>
    Down,

    /// <summary>Residual stream to what multiplies a layer's own embedding of the token.</summary>
    InputGate,

    /// <summary>A layer's own embedding of the token to residual stream.</summary>
    InputProjection,

    /// <summary>Residual stream to the layers' own embeddings.</summary>
    LayerInputs,

    /// <summary>Embedding to residual stream.</summary>
    ProjectIn,

    /// <summary>Residual stream to embedding.</summary>
    ProjectOut,

    /// <summary>Embedding to logits.</summary>
    OutputHead,
}

/// <summary>How reports name matrices.</summary>
internal static class MatrixRoleExtensions
{
    /// <summary>A short word, unlike those of the other matrices of a part.</summary>
    public static string ToShortName(this MatrixRole role) => role switch
    {
        MatrixRole.Query => "q",
        MatrixRole.Key => "k",
        MatrixRole.Value => "v",
        MatrixRole.AttentionOutput => "o",
        MatrixRole.Gate => "gate",
        MatrixRole.Up => "up",
        MatrixRole.Down => "down",
        MatrixRole.InputGate => "input gate",
        MatrixRole.InputProjection => "input",
        MatrixRole.LayerInputs => "inputs",
        MatrixRole.ProjectIn => "in",
        MatrixRole.ProjectOut => "out",
        MatrixRole.OutputHead => "head",
    };
}

/// <summary>What a linear layer does: matrices that share an input are one.</summary>
internal enum LinearRole
{
    /// <summary>
    /// <see cref="MatrixRole.Query"/>, <see cref="MatrixRole.Key"/> and <see cref="MatrixRole.Value"/>.
    /// </summary>
    QueryKeyValue,

    /// <summary><see cref="MatrixRole.AttentionOutput"/>.</summary>
    AttentionOutput,

    /// <summary><see cref="MatrixRole.Gate"/>, where there is one, and <see cref="MatrixRole.Up"/>.</summary>
    GateUp,

    /// <summary><see cref="MatrixRole.Down"/>.</summary>
    Down,

    /// <summary><see cref="MatrixRole.InputGate"/>.</summary>
    InputGate,

    /// <summary><see cref="MatrixRole.InputProjection"/>.</summary>
    InputProjection,

    /// <summary><see cref="MatrixRole.LayerInputs"/>.</summary>
    LayerInputs,

    /// <summary><see cref="MatrixRole.ProjectIn"/>.</summary>
    ProjectIn,

    /// <summary><see cref="MatrixRole.ProjectOut"/>.</summary>
    ProjectOut,

    /// <summary><see cref="MatrixRole.OutputHead"/>.</summary>
    OutputHead,
}

/// <summary>A linear layer's tensor names: weight <c>[out, in]</c>, bias <c>[out]</c> or null.</summary>
internal sealed record LinearTensors(string Weight, string? Bias)
{
    private const string Suffix = ".weight";

    /// <summary>Which rows of the tensors are this layer's, where several share them; null where it has all.</summary>
    public StoredRows? Rows { get; init; }

    /// <summary>Whether the weight is stored <c>[in, out]</c>, as GPT-2's <c>Conv1D</c> has it.</summary>
    public bool Transposed { get; init; }

    /// <summary>The tensors.</summary>
    public IEnumerable<string> All => Bias is null ? [Weight] : [Weight, Bias];

    /// <summary>The weight's name less <c>.weight</c>.</summary>
    public string Module => Weight.EndsWith(Suffix, StringComparison.Ordinal) ? Weight[..^Suffix.Length] : Weight;
}

/// <summary>
/// Rows of a tensor that holds several matrices: stretches of <see cref="Run"/> rows, each <see cref="Stride"/> behind
/// the one before.
/// </summary>
/// <param name="Offset">The first stretch's first row.</param>
/// <param name="Run">Rows of a stretch.</param>
/// <param name="Stride">Rows from one stretch to the next.</param>
/// <param name="Total">Rows of the tensor.</param>
internal sealed record StoredRows(int Offset, int Run, int Stride, int Total)
{
    /// <summary>
    /// Rows of a head whose two halves are woven: of each pair that a rotation takes, one stands behind the other; null
    /// where halves stand one behind another.
    /// </summary>
    public int? WovenHead { get; private init; }

    /// <summary>All rows, the halves of each head woven.</summary>
    public static StoredRows OfPairs(int rows, int headDim) => new(0, rows, rows, rows) { WovenHead = headDim };

    /// <summary>Neighbouring rows.</summary>
    public static StoredRows Slice(int offset, int count, int total) => new(offset, count, total, total);

    /// <summary>The tensor's row that is this matrix's.</summary>
    public int Of(int row)
    {
        if (WovenHead is { } head)
        {
            int half = head / 2, inHead = row % head;
            row += inHead < half ? inHead : inHead - head + 1;
        }

        return Offset + (row / Run * Stride) + (row % Run);
    }
}

/// <summary>A matrix of a decoder.</summary>
/// <param name="Role">What it does.</param>
/// <param name="Names">Its tensors.</param>
/// <param name="Rows">Outputs.</param>
/// <param name="Columns">Inputs.</param>
internal sealed record MatrixSpec(MatrixRole Role, LinearTensors Names, int Rows, int Columns);

/// <summary>Matrices that share an input, and are run as one: their outputs stand one behind another.</summary>
/// <param name="Role">What they do.</param>
/// <param name="Matrices">The matrices, in the order of their outputs; at least one.</param>
internal sealed record LinearSpec(LinearRole Role, IReadOnlyList<MatrixSpec> Matrices)
{
    /// <summary>A name that no other linear layer of the decoder has: the first matrix's module.</summary>
    public string Name => Matrices[0].Names.Module;

    /// <summary>
    /// The matrices as files hold them: those that share a tensor are one, which has the first one's role.
    /// </summary>
    public IEnumerable<MatrixSpec> Stored => Matrices.DistinctBy(matrix => matrix.Names.Weight).Select(matrix =>
        matrix.Names.Rows is { } rows
            ? matrix with { Names = matrix.Names with { Rows = null }, Rows = rows.Total }
            : matrix);

    /// <summary>Inputs.</summary>
    public int Columns => Matrices[0].Columns;

    /// <summary>Outputs.</summary>
    public int Rows => Matrices.Sum(m => m.Rows);

    /// <summary>Weights.</summary>
    public long WeightCount => (long)Rows * Columns;
}

/// <summary>A few numbers that a part computes with, beside its matrices and norms.</summary>
/// <param name="Name">The tensor.</param>
/// <param name="Width">Numbers.</param>
internal sealed record VectorSpec(string Name, int Width);

/// <summary>A tensor that is read by row.</summary>
/// <param name="Name">The tensor.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Columns">Width.</param>
internal sealed record TableSpec(string Name, int Rows, int Columns);
