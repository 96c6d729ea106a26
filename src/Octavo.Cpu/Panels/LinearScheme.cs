using Octavo.Formats;
using Octavo.Formats.Stored;

namespace Octavo.Cpu.Panels;

/// <summary>How an activation is written for a kernel.</summary>
internal enum InputCode
{
    Float32,

    /// <summary>Pairs for bfloat16 dot products.</summary>
    BFloat16,

    /// <summary>Quantized when the step runs, with a scale for each group (or for each row).</summary>
    Int8,
}

/// <summary>How the scales, and minimums, of groups are written.</summary>
internal enum ScaleCode
{
    /// <summary>Four bytes, a number.</summary>
    Float32,

    /// <summary>Two bytes, a number.</summary>
    Float16,

    /// <summary>
    /// A signed byte, times a half-precision number that all groups of 256 inputs share: GGUF's super-blocks.
    /// </summary>
    Products,
}

/// <summary>The arithmetic of one linear layer.</summary>
/// <param name="Weight">How weights are written.</param>
/// <param name="Input">How activations are written.</param>
/// <param name="GroupSize">Inputs that share a scale; 0 where a whole output channel does, or where there is
/// none.</param>
/// <param name="Asymmetric">Weights have zero-points.</param>
/// <param name="AsymmetricInput">Activations have zero-points; only with one scale a row.</param>
/// <param name="Minimums">Codes are unsigned, and from each group something is taken off: <c>scale · code −
/// minimum</c>, as GGUF's blocks have it; only with groups, and without zero-points.</param>
/// <param name="Scales">How scales and minimums are written; other than float32 only those of GGUF's blocks.</param>
internal sealed record LinearScheme(
    WeightCode Weight, InputCode Input, int GroupSize = 0, bool Asymmetric = false, bool AsymmetricInput = false,
    bool Minimums = false, ScaleCode Scales = ScaleCode.Float32)
{
    /// <summary>Integer products, summed exactly.</summary>
    public bool Integer => Input == InputCode.Int8;

    /// <summary>Weights have scales.</summary>
    public bool Scaled => Weight is WeightCode.Int8 or WeightCode.Int4 or WeightCode.Int6 or WeightCode.Float8;

    /// <summary>A scale for each group along the inputs.</summary>
    public bool Grouped => GroupSize > 0;

    /// <summary>The arithmetic of a scheme on a machine.</summary>
    public static LinearScheme For(WeightScheme scheme, InstructionSet isa) => new(
        scheme.Code,
        InputOf(scheme, isa),
        scheme.GroupSize == WeightScheme.AutoGroup ? WeightScheme.UsualGroup : scheme.GroupSize,
        scheme.Asymmetric,
        scheme.Activations == StoredActivations.Int8Asymmetric);

    /// <summary>
    /// Whether bfloat16 weights meet bfloat16 activations on a machine; elsewhere they are widened to float32.
    /// </summary>
    public static bool HasBFloat16Dots(InstructionSet isa) =>
        isa >= InstructionSet.Avx512Vnni && CpuFeatures.Avx512Bf16;

    /// <summary>
    /// The same scheme with a group that divides <paramref name="inFeatures"/>: the largest divisor up to the one asked
    /// for.
    /// </summary>
    public LinearScheme Fit(int inFeatures) => this with { GroupSize = WeightScheme.FitGroup(GroupSize, inFeatures) };

    private static InputCode InputOf(WeightScheme scheme, InstructionSet isa) => scheme.Activations switch
    {
        StoredActivations.Int8 or StoredActivations.Int8Asymmetric => InputCode.Int8,
        StoredActivations.Plain or StoredActivations.Float8 =>
            scheme.Code == WeightCode.BFloat16 && HasBFloat16Dots(isa) ? InputCode.BFloat16 : InputCode.Float32,
    };
}

/// <summary>
/// Where everything stands in a panel: the weights of 32 output features, in the order that kernels read them.
/// </summary>
/// <remarks>
/// A step is what a kernel multiplies with four bytes of one activation row (with eight, for 4-bit weights and float32
/// activations): so many inputs of all 32 features. A segment is a group, or the whole matrix where there are none.
/// <code>
/// grouped:  for each group  [32 zero-points, int32, where asymmetric][step][step]…[32 scales][32 minimums, where there
///                           are]; before those of 256 inputs, where scales are products, what all their scales, and
///                           what all their minimums are multiplied with [32 halves][32 halves]
/// else:     [step][step]…[32 scales][32 zero-points][32 sums of code − zero-point], the tail where weights have scales
/// </code>
/// A step of 8-bit codes and 8-bit activations holds feature by feature four inputs (128 bytes); of 4-bit codes the
/// same with features 0–15 in the low and 16–31 in the high halves of 64 bytes; of bfloat16 pairs two inputs (128
/// bytes). Of 6-bit codes a step is sixteen inputs: the four lower bits as four steps of 4-bit codes, then for features
/// 0–15 and for 16–31 64 bytes that hold the two higher bits of the first four inputs in their two lowest bits, those of
/// the next four in the next. With float32 activations a step holds one input of each feature, or, of 4-bit codes, the low halves one
/// input and the high halves the next.
/// </remarks>
internal sealed class PanelLayout
{
    /// <summary>Output features a panel.</summary>
    public const int Width = 32;

    private const int RowOfNumbers = Width * sizeof(float);
    private const int InputsOfHeader = 256;
    private const int UsualStepsInTurn = 8;

    // Rows of activations that lie a power of two apart would share a few sets of the first-level cache.
    private const int Skew = 64;

    /// <summary>Lays a matrix out.</summary>
    /// <param name="scheme">Its arithmetic; a group that does not divide the inputs becomes the largest that
    /// does.</param>
    /// <param name="inFeatures">Inputs.</param>
    /// <param name="inputOrder">Which input stands at each place of the panel; null where they stand in order.</param>
    /// <param name="staticInput">How activations become codes, where the checkpoint says; null where each row is
    /// measured.</param>
    public PanelLayout(LinearScheme scheme, int inFeatures, int[]? inputOrder = null, InputRange? staticInput = null)
    {
        Scheme = scheme.Fit(inFeatures);
        InFeatures = inFeatures;
        InputOrder = inputOrder;
        StaticInput = staticInput;
        (StepDepth, StepBytes) = (scheme.Weight, scheme.Input) switch
        {
            (WeightCode.Float32, _) => (1, 128),
            (WeightCode.BFloat16, InputCode.BFloat16) => (2, 128),
            (WeightCode.BFloat16 or WeightCode.Float16, _) => (1, 64),
            (WeightCode.Float8, _) => (1, 32),
            (WeightCode.Int8, InputCode.Int8) => (4, 128),
            (WeightCode.Int4, InputCode.Int8) => (4, 64),
            (WeightCode.Int6, _) => (16, 384),
            (WeightCode.Int8, _) => (1, 32),
            (WeightCode.Int4, _) => (2, 32),
        };
        Segment = Scheme.Grouped ? Scheme.GroupSize : inFeatures;
        Segments = inFeatures / Segment;
        StepsPerSegment = (Segment + StepDepth - 1) / StepDepth;
        StepsInTurn = scheme.Weight == WeightCode.Int6 ? 1 : UsualStepsInTurn;
        ScaleRowBytes = Scheme.Scales switch
        {
            ScaleCode.Float32 => RowOfNumbers,
            ScaleCode.Float16 => Width * sizeof(ushort),
            ScaleCode.Products => Width,
        };
        bool products = Scheme.Scales == ScaleCode.Products;
        SegmentsOfHeader = products ? InputsOfHeader / Segment : 1;
        HeaderBytes = products ? (Scheme.Minimums ? 2 : 1) * Width * sizeof(ushort) : 0;
        SegmentBytes =
            ((long)StepsPerSegment * StepBytes)
            + (Scheme.Grouped ? ((Scheme.Minimums ? 2 : 1) * ScaleRowBytes) + ZeroRowBytes : 0);
        TailBytes = Scheme.Grouped || !Scheme.Scaled ? 0 : 3 * RowOfNumbers;
        PanelBytes = SegmentOffset(Segments) + TailBytes;
        InputSegmentBytes = StepsPerSegment * StepDepth * InputSize(Scheme.Input);
        InputStride = ((((long)Segments * InputSegmentBytes) + Skew - 1) / Skew * Skew) + Skew;
    }

    public LinearScheme Scheme { get; }

    public int InFeatures { get; }

    /// <summary>
    /// Which input stands at each place, <c>[InFeatures]</c>, or null: activations are stored in the same order.
    /// </summary>
    public int[]? InputOrder { get; }

    /// <summary>How activations become codes, or null: each row, or group of its inputs, is measured.</summary>
    public InputRange? StaticInput { get; }

    /// <summary>Inputs a step.</summary>
    public int StepDepth { get; }

    /// <summary>Bytes a step.</summary>
    public int StepBytes { get; }

    /// <summary>Inputs a segment.</summary>
    public int Segment { get; }

    public int Segments { get; }

    public int StepsPerSegment { get; }

    public long SegmentBytes { get; }

    public int TailBytes { get; }

    public long PanelBytes { get; }

    /// <summary>Bytes of one segment of an activation row.</summary>
    public int InputSegmentBytes { get; }

    /// <summary>Bytes between two activation rows.</summary>
    public long InputStride { get; }

    /// <summary>Steps in one turn of a kernel's loop.</summary>
    public int StepsInTurn { get; }

    /// <summary>Bytes of a segment's scales, and of its minimums.</summary>
    public int ScaleRowBytes { get; }

    /// <summary>Segments that share a header; 1 where there is none.</summary>
    public int SegmentsOfHeader { get; }

    /// <summary>Bytes of a header.</summary>
    public int HeaderBytes { get; }

    private int ZeroRowBytes => Scheme.Grouped && Scheme.Asymmetric ? RowOfNumbers : 0;

    /// <summary>Where a segment begins, behind its header.</summary>
    public long SegmentOffset(int segment) =>
        (segment * SegmentBytes) + ((long)((segment / SegmentsOfHeader) + (segment < Segments ? 1 : 0)) * HeaderBytes);

    /// <summary>Where the header of a segment stands.</summary>
    public long HeaderOffset(int segment) =>
        SegmentOffset(segment / SegmentsOfHeader * SegmentsOfHeader) - HeaderBytes;

    /// <summary>Where a segment's steps begin.</summary>
    public long StepsOffset(int segment) => SegmentOffset(segment) + ZeroRowBytes;

    /// <summary>Where the zero-points of a segment stand.</summary>
    public long ZerosOffset(int segment) =>
        Scheme.Grouped ? SegmentOffset(segment) : (Segments * SegmentBytes) + RowOfNumbers;

    /// <summary>Where the scales of a segment stand.</summary>
    public long ScalesOffset(int segment) =>
        Scheme.Grouped ? StepsOffset(segment) + ((long)StepsPerSegment * StepBytes) : Segments * SegmentBytes;

    /// <summary>Where the minimums of a segment stand.</summary>
    public long MinimumsOffset(int segment) => ScalesOffset(segment) + ScaleRowBytes;

    /// <summary>Where the sums of codes stand, without groups.</summary>
    public long SumsOffset => (Segments * SegmentBytes) + (2 * RowOfNumbers);

    /// <summary>Bytes of one activation.</summary>
    public static int InputSize(InputCode code) => code switch
    {
        InputCode.Float32 => 4,
        InputCode.BFloat16 => 2,
        InputCode.Int8 => 1,
    };

    /// <summary>Panels of a matrix.</summary>
    public static int PanelsOf(long outFeatures) => checked((int)((outFeatures + Width - 1) / Width));
}
