using Octavo.Formats;

namespace Octavo.Cpu.Panels;

/// <summary>
/// A matrix in GGUF's blocks. Kernels read its codes as they are, beside the exact products of the scales that the
/// blocks hold.
/// </summary>
internal sealed class BlockMatrix : MatrixSource
{
    private const int MostElements = 256;
    private const int MostOfNibble = 15;
    private const int BiasOfNibble = 8;
    private const int MostOfSixBits = 63;
    private const int BiasOfSixBits = 32;

    private readonly TensorMatrix _numbers;
    private readonly Tensor _weight;
    private readonly int _rowBytes;
    private readonly BlockFormat _format;

    /// <summary>A matrix of blocks.</summary>
    /// <param name="weight">The tensor.</param>
    /// <param name="bias">Its bias, or null.</param>
    /// <param name="input">How activations are written that meet it.</param>
    public BlockMatrix(Tensor weight, Tensor? bias, InputCode input)
    {
        _numbers = new TensorMatrix(weight, bias);
        _weight = weight;
        _format = BlockFormat.Of(weight.Type)!;
        _rowBytes = checked((int)(weight.ByteLength / weight.Shape[0]));
        Stored = SchemeFor([_format], input);
    }

    public override int Rows => _numbers.Rows;

    public override int Columns => _numbers.Columns;

    public override bool HasBias => _numbers.HasBias;

    public override bool IsQuantized => true;

    public override long StoredBytes => _numbers.StoredBytes;

    public override LinearScheme? Stored { get; }

    public override BlockFormat? Blocks => _format;

    /// <summary>The scheme whose panels hold blocks of some formats as they are.</summary>
    public static LinearScheme SchemeFor(IReadOnlyCollection<BlockFormat> formats, InputCode input)
    {
        bool minimums = formats.Any(format => format.HasMinimums);
        WeightCode code = Fit(MostOfNibble, BiasOfNibble) ? WeightCode.Int4
            : input == InputCode.Int8 && Fit(MostOfSixBits, BiasOfSixBits) ? WeightCode.Int6
            : WeightCode.Int8;

        // A minimum that the codes' lowest value makes is a product only where that value is small.
        ScaleCode scales =
            formats.All(f => f is SuperBlock && (!minimums || f.LeastCode >= -BiasOfSixBits)) ? ScaleCode.Products
            : code == WeightCode.Int4 && formats.All(f => f.HasHalfScales && (!minimums || f.HasMinimums))
                ? ScaleCode.Float16
            : ScaleCode.Float32;
        return new LinearScheme(
            code, input, formats.Min(format => format.Group), Minimums: minimums, Scales: scales);

        bool Fit(int most, int bias) => formats.All(format => minimums
            ? format.GreatestCode - format.LeastCode <= most
            : format.LeastCode >= -bias && format.GreatestCode < bias);
    }

    public override void ReadRow(int row, Span<float> destination) => _numbers.ReadRow(row, destination);

    public override void ReadBias(Span<float> destination) => _numbers.ReadBias(destination);

    public override void ReadCodes(int row, LinearScheme scheme, CodedRow coded)
    {
        ReadOnlySpan<byte> blocks = _weight.Bytes((long)row * _rowBytes, _rowBytes);
        Span<float> scales = stackalloc float[MostElements / 8], minimums = stackalloc float[MostElements / 8];
        minimums.Clear();
        (int group, int least) = (scheme.GroupSize, scheme.Minimums ? _format.LeastCode : 0);
        (int element, int segment) = (0, 0);
        for (; blocks.Length > 0; blocks = blocks[_format.Bytes..])
        {
            Span<sbyte> codes = coded.Codes.Slice(element, _format.Elements);
            if (scheme.Scales == ScaleCode.Products)
            {
                UnpackProducts(blocks[.._format.Bytes], codes, scales, minimums, coded, element / _format.Elements, least);
            }
            else
            {
                _format.Unpack(blocks[.._format.Bytes], codes, scales, minimums);
            }

            if (least != 0)
            {
                foreach (ref sbyte code in codes)
                {
                    code = unchecked((sbyte)(code - least));
                }
            }

            for (int first = 0; first < _format.Elements; first += group, segment++)
            {
                float scale = scales[first / _format.Group];
                coded.Scales[segment] = scale;
                coded.Zeros[segment] = 0;

                // Types with minimums begin their codes at 0: one of the two is nothing, and nothing is rounded.
                coded.Minimums[segment] = least != 0 && scheme.Scales == ScaleCode.Products
                    ? scale
                    : minimums[first / _format.Group] - (scale * least);
            }

            element += _format.Elements;
        }
    }

    /// <summary>The factors of scales and minimums, and, for all of the block, what they are multiplied with.</summary>
    private void UnpackProducts(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums, CodedRow coded, int number,
        int least)
    {
        Span<sbyte> ofScales = stackalloc sbyte[MostElements / 16], ofMinimums = stackalloc sbyte[MostElements / 16];
        ofMinimums.Clear();
        (Half scale, Half minimum) = ((SuperBlock)_format).UnpackProducts(block, codes, ofScales, ofMinimums);
        for (int g = 0; g < _format.Elements / _format.Group; g++)
        {
            (scales[g], minimums[g]) = (ofScales[g], ofMinimums[g]);
        }

        // What codes without a sign are above their value is taken off with the scale's own factor.
        coded.ScaleUnits[number] = scale;
        coded.MinimumUnits[number] = least != 0 ? (Half)((float)scale * -least) : minimum;
    }
}
