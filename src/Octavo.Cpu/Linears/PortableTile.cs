using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Panels;
using Octavo.Formats;

namespace Octavo.Cpu.Linears;

/// <summary>
/// The tile kernels without generated code: for processors other than x86-64, and for processes that may not make code.
/// Integer schemes give the same bits as the generated kernels, and so does float32.
/// </summary>
internal static unsafe class PortableTile
{
    public const int MostRows = 4;

    private const int Width = PanelLayout.Width;
    private const int Vectors = Width / 4;

    /// <summary>Computes a tile as a generated kernel does.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(PanelLayout layout, int codeBias, int rows, TileArguments* a)
    {
        LinearScheme scheme = layout.Scheme;
        byte* sums = stackalloc byte[MostRows * Width * sizeof(float)];
        int inputStep = layout.StepDepth * PanelLayout.InputSize(scheme.Input);
        byte* segment = a->Weights;
        byte* input = a->Input;
        Half* header = (Half*)segment;
        float* factors = stackalloc float[2 * Width];
        if (a->First != 0)
        {
            new Span<byte>(a->Accumulators, rows * Width * sizeof(float)).Clear();
        }

        for (long s = 0; s < a->Segments; s++, input += a->Steps * inputStep)
        {
            if (layout.HeaderBytes > 0 && s % layout.SegmentsOfHeader == 0)
            {
                header = (Half*)segment;
                segment += layout.HeaderBytes;
            }

            byte* accumulators = scheme.Grouped ? sums : a->Accumulators;
            int* zeros = (int*)segment;
            byte* steps = segment + (scheme.Grouped && scheme.Asymmetric ? Width * sizeof(int) : 0);
            if (scheme.Grouped)
            {
                Start(scheme, codeBias, rows, zeros, a->Sums + (s * a->ScaleStride / sizeof(int)), (int*)sums);
            }

            for (long step = 0; step < a->Steps; step++)
            {
                byte* w = steps + (step * layout.StepBytes);
                byte* x = input + (step * inputStep);
                if (scheme.Integer)
                {
                    MultiplyIntegers(scheme, w, x, a->InputStride, rows, (int*)accumulators);
                }
                else
                {
                    MultiplyFloats(layout, codeBias, zeros, w, (float*)x, a->InputStride, rows, (float*)accumulators);
                }
            }

            if (scheme.Grouped)
            {
                byte* scales = steps + (a->Steps * layout.StepBytes);
                ReadScales(layout, scales, header, factors);
                End(
                    scheme, rows, factors, a->Scales + (s * a->ScaleStride / sizeof(float)), sums,
                    (float*)a->Accumulators);
                if (scheme.Minimums)
                {
                    TakeOff(
                        rows, factors + Width, (float*)(a->Sums + (s * a->ScaleStride / sizeof(int))),
                        (float*)a->Accumulators);
                }

                segment = scales + ((scheme.Minimums ? 2 : 1) * layout.ScaleRowBytes);
            }
            else if (a->Last != 0 && scheme.Scaled)
            {
                Finish(scheme, rows, steps + (a->Steps * layout.StepBytes), a);
            }
        }
    }

    /// <summary>
    /// Without groups: takes off what stands above the sums' value and applies the scales, which follow the steps.
    /// </summary>
    private static void Finish(LinearScheme scheme, int rows, byte* tail, TileArguments* a)
    {
        float* scales = (float*)tail;
        int* zeros = (int*)(scales + Width);
        int* codes = zeros + Width;
        for (int row = 0; row < rows; row++)
        {
            for (int c = 0; c < Width; c++)
            {
                byte* sum = a->Accumulators + (((row * Width) + c) * sizeof(float));
                if (scheme.Integer)
                {
                    int inputZero = scheme.AsymmetricInput ? a->InputZeros[row] : 0;
                    int value = *(int*)sum + (zeros[c] * a->Sums[row]) - (codes[c] * inputZero);
                    *(float*)sum = value * scales[c] * a->Scales[row];
                }
                else
                {
                    *(float*)sum *= scales[c];
                }
            }
        }
    }

    private static void Start(LinearScheme scheme, int codeBias, int rows, int* zeros, int* negatedSums, int* sums)
    {
        for (int row = 0; row < rows; row++)
        {
            for (int c = 0; c < Width; c++)
            {
                sums[(row * Width) + c] = scheme.Integer
                    ? (scheme.Minimums ? 0 : scheme.Asymmetric ? zeros[c] : codeBias) * negatedSums[row]
                    : 0;
            }
        }
    }

    private static void End(
        LinearScheme scheme, int rows, float* weightScales, float* inputScales, byte* sums, float* y)
    {
        for (int row = 0; row < rows; row++)
        {
            for (int c = 0; c < Width; c++)
            {
                int at = (row * Width) + c;
                y[at] = scheme.Integer
                    ? MathF.FusedMultiplyAdd(((int*)sums)[at] * weightScales[c], inputScales[row], y[at])
                    : MathF.FusedMultiplyAdd(((float*)sums)[at], weightScales[c], y[at]);
            }
        }
    }

    /// <summary>A group's scales, and its minimums behind them, however they are written.</summary>
    private static void ReadScales(PanelLayout layout, byte* rows, Half* header, float* factors)
    {
        for (int i = 0; i < (layout.Scheme.Minimums ? 2 : 1) * Width; i++)
        {
            factors[i] = layout.Scheme.Scales switch
            {
                ScaleCode.Float32 => ((float*)rows)[i],
                ScaleCode.Float16 => (float)((Half*)rows)[i],
                ScaleCode.Products => ((sbyte*)rows)[i] * (float)header[i],
            };
        }
    }

    private static void TakeOff(int rows, float* minimums, float* negatedSums, float* y)
    {
        for (int row = 0; row < rows; row++)
        {
            for (int c = 0; c < Width; c++)
            {
                int at = (row * Width) + c;
                y[at] = MathF.FusedMultiplyAdd(minimums[c], negatedSums[row], y[at]);
            }
        }
    }

    /// <summary>
    /// Four inputs of all features times four codes of each row; codes stand above their value by a bias that the
    /// sums began with, and are read as they stand.
    /// </summary>
    private static void MultiplyIntegers(LinearScheme scheme, byte* w, byte* x, long stride, int rows, int* sums)
    {
        if (scheme.Weight == WeightCode.Int6)
        {
            MultiplySixBits(w, x, stride, rows, sums);
            return;
        }

        bool unsigned = scheme is { Weight: WeightCode.Int8, Minimums: true };
        for (int vector = 0; vector < Vectors; vector++)
        {
            Vector128<sbyte> weights;
            if (scheme.Weight == WeightCode.Int8)
            {
                weights = Vector128.Load((sbyte*)w + (vector * 16));
            }
            else
            {
                Vector128<byte> both = Vector128.Load(w + (vector % 4 * 16));
                weights = (vector < 4 ? both & Vector128.Create((byte)0x0F) : both >>> 4).AsSByte();
            }

            for (int row = 0; row < rows; row++)
            {
                Vector128<sbyte> inputs = Vector128.Create(*(int*)(x + (row * stride))).AsSByte();
                int* sum = sums + (row * Width) + (vector * 4);
                (unsigned
                    ? DotUnsigned(Vector128.Load(sum), weights.AsByte(), inputs)
                    : Dot(Vector128.Load(sum), weights, inputs)).Store(sum);
            }
        }
    }

    /// <summary>Sixteen inputs of all features, in 6-bit codes that stand above their value.</summary>
    private static void MultiplySixBits(byte* w, byte* x, long stride, int rows, int* sums)
    {
        const int Fours = 4, BytesOfFour = 64;
        for (int four = 0; four < Fours; four++)
        {
            for (int vector = 0; vector < Vectors; vector++)
            {
                int inHalf = vector % 4 * 16, half = vector / 4;
                Vector128<byte> low = Vector128.Load(w + (four * BytesOfFour) + inHalf) >>> (4 * half);
                Vector128<byte> high = Vector128.Load(w + ((Fours + half) * BytesOfFour) + inHalf) >>> (2 * four);
                Vector128<byte> weights =
                    (low & Vector128.Create((byte)0x0F)) | ((high & Vector128.Create((byte)3)) << 4);
                for (int row = 0; row < rows; row++)
                {
                    byte* inputs = x + (row * stride) + (four * sizeof(int));
                    int* sum = sums + (row * Width) + (vector * 4);
                    Dot(Vector128.Load(sum), weights.AsSByte(), Vector128.Create(*(int*)inputs).AsSByte()).Store(sum);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Dot(Vector128<int> sum, Vector128<sbyte> left, Vector128<sbyte> right)
    {
        if (Dp.IsSupported)
        {
            return Dp.DotProduct(sum, left, right);
        }

        return sum + Fours(
            Vector128.WidenLower(left) * Vector128.WidenLower(right),
            Vector128.WidenUpper(left) * Vector128.WidenUpper(right));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> DotUnsigned(Vector128<int> sum, Vector128<byte> left, Vector128<sbyte> right) =>
        sum + Fours(
            Vector128.WidenLower(left).AsInt16() * Vector128.WidenLower(right),
            Vector128.WidenUpper(left).AsInt16() * Vector128.WidenUpper(right));

    /// <summary>Sums of four products each, which fit into 16 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Fours(Vector128<short> lower, Vector128<short> upper)
    {
        (Vector128<int> low, Vector128<int> high) = (Pairs(lower), Pairs(upper));
        return Vector128.Create(low[0] + low[1], low[2] + low[3], high[0] + high[1], high[2] + high[3]);

        static Vector128<int> Pairs(Vector128<short> products) =>
            ((products.AsInt32() << 16) >> 16) + (products.AsInt32() >> 16);
    }

    private static void MultiplyFloats(
        PanelLayout layout, int codeBias, int* zeros, byte* w, float* x, long stride, int rows, float* sums)
    {
        float* weights = stackalloc float[Width];
        for (int k = 0; k < layout.StepDepth; k++)
        {
            Decode(layout.Scheme, codeBias, zeros, w, k, weights);
            for (int row = 0; row < rows; row++)
            {
                Vector128<float> input = Vector128.Create(*(float*)((byte*)(x + k) + (row * stride)));
                for (int vector = 0; vector < Vectors; vector++)
                {
                    float* sum = sums + (row * Width) + (vector * 4);
                    Vector128.FusedMultiplyAdd(input, Vector128.Load(weights + (vector * 4)), Vector128.Load(sum))
                        .Store(sum);
                }
            }
        }
    }

    /// <summary>The weights of all features for one input of a step.</summary>
    private static void Decode(LinearScheme scheme, int codeBias, int* zeros, byte* w, int k, float* weights)
    {
        bool zeroed = scheme is { Grouped: true, Asymmetric: true };
        for (int c = 0; c < Width; c++)
        {
            weights[c] = scheme.Weight switch
            {
                WeightCode.Float32 => ((float*)w)[c],
                WeightCode.BFloat16 => BitConverter.UInt32BitsToSingle((uint)((ushort*)w)[c] << 16),
                WeightCode.Float16 => (float)((Half*)w)[c],
                WeightCode.Float8 => WeightQuantizer.FromFloat8(w[c]),
                WeightCode.Int8 when scheme.Minimums => w[c],
                WeightCode.Int8 => ((sbyte*)w)[c] - (zeroed ? zeros[c] : codeBias),
                WeightCode.Int4 => ((w[c] >> (4 * k)) & 0x0F) - (zeroed ? zeros[c] : codeBias),
                WeightCode.Int6 => throw new NotSupportedException("6-bit codes meet 8-bit activations only"),
            };
        }
    }
}
