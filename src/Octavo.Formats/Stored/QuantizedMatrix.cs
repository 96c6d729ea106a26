namespace Octavo.Formats.Stored;

/// <summary>What a quantized weight's codes are.</summary>
internal enum CodeKind
{
    /// <summary>Signed integers: <c>w = (code − zero) · scale</c>.</summary>
    Integer,

    /// <summary>E4M3 numbers: <c>w = number · scale</c>.</summary>
    Float8,
}

/// <summary>What a checkpoint says about the activations that meet its quantized weights.</summary>
public enum StoredActivations
{
    /// <summary>They stay as they are: weight-only quantization.</summary>
    Plain,

    /// <summary>
    /// Signed 8-bit codes, symmetric, one scale a token (or a group of its inputs, where weights have groups).
    /// </summary>
    Int8,

    /// <summary>The same with zero-points.</summary>
    Int8Asymmetric,

    /// <summary>E4M3, one scale a token.</summary>
    Float8,
}

/// <summary>
/// A weight matrix <c>[out, in]</c> that a checkpoint stores as codes, scales and perhaps zero-points, whatever the
/// order of its files. A view: readable while its checkpoint lives, by several threads at once.
/// </summary>
internal abstract class QuantizedMatrix
{
    /// <summary>The module's name in the checkpoint, such as <c>model.layers.0.mlp.down_proj</c>.</summary>
    public required string Module { get; init; }

    /// <summary>Output features.</summary>
    public required int Rows { get; init; }

    /// <summary>Input features.</summary>
    public required int Columns { get; init; }

    /// <summary>What the codes are.</summary>
    public required CodeKind Kind { get; init; }

    /// <summary>Bits a code.</summary>
    public required int Bits { get; init; }

    /// <summary>Inputs that share a scale; all of them where a channel, a tensor or a block of rows has one.</summary>
    public required int GroupSize { get; init; }

    /// <summary>Whether there are zero-points.</summary>
    public required bool Asymmetric { get; init; }

    /// <summary>What becomes of activations.</summary>
    public StoredActivations Activations { get; init; }

    /// <summary>
    /// The scale, and the zero-point, that all activations are quantized with; null where each token gets its own.
    /// </summary>
    public (float Scale, int Zero)? StaticInput { get; init; }

    /// <summary>
    /// Which group each input belongs to, <c>[in]</c>; null where input <c>k</c> is in group <c>k / GroupSize</c>.
    /// </summary>
    public IReadOnlyList<int>? GroupIndex { get; init; }

    /// <summary>
    /// The last parts of the names of its tensors, <c>qweight</c> say, those that may be absent or idle included; none
    /// where it is in no file.
    /// </summary>
    public virtual IReadOnlyList<string> Parts => [];

    /// <summary>
    /// Whether its numbers are codes times scales; else they are only read as numbers (<see cref="ReadRow"/>).
    /// </summary>
    public virtual bool HasCodes => true;

    /// <summary>Bytes in the files.</summary>
    public required long ByteLength { get; init; }

    /// <summary>Scales a row.</summary>
    public int Groups => (Columns + GroupSize - 1) / GroupSize;

    /// <summary>Reads one output feature's numbers, <c>[in]</c>, where there are no codes.</summary>
    public virtual void ReadRow(int row, Span<float> destination) =>
        throw new InvalidOperationException("its numbers are codes times scales");

    /// <summary>
    /// Reads one output feature's codes, in the order of the inputs: signed integers, or the bytes of E4M3 numbers.
    /// </summary>
    /// <param name="row">The output feature.</param>
    /// <param name="codes">Receives them, <c>[in]</c>.</param>
    public abstract void ReadCodes(int row, Span<sbyte> codes);

    /// <summary>Reads one output feature's scales, <c>[Groups]</c>.</summary>
    public abstract void ReadScales(int row, Span<float> scales);

    /// <summary>Reads one output feature's zero-points, <c>[Groups]</c>, on the scale of the signed codes.</summary>
    public abstract void ReadZeros(int row, Span<int> zeros);

    /// <summary>The group of an input.</summary>
    public int GroupOf(int column) => GroupIndex is null ? column / GroupSize : GroupIndex[column];
}
