using Octavo.Cpu.Cache;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Simd;

namespace Octavo.Cpu.Attention;

/// <summary>
/// The inner products over float32 and bfloat16 caches in C#, four rows sharing each load, for any instruction set; and
/// the twin that emitted code is compared with.
/// </summary>
internal readonly unsafe struct PlainFloatKernels<TElement, TVector, TSimd, TInt, TIntSimd> : IInnerKernels
    where TElement : struct, IElement
    where TVector : struct
    where TSimd : struct, ISimd<TVector>
    where TInt : struct
    where TIntSimd : struct, IIntSimd<TVector, TInt>
{
    private const int RowTile = 4;
    private const int LineBytes = 64;

    public static void Score(AttentionCall* call)
    {
        int steps = call->Layout->Kv.KeySteps;
        var sums = default(Tile);
        for (int row = 0; row < call->Rows; row += RowTile)
        {
            for (int g = 0; g < call->NumGroups; g++)
            {
                for (int lane = 0; lane < KvLayout.GroupKeys; lane += TSimd.Count)
                {
                    sums.Clear();
                    sums.Accumulate(
                        Rows(call, row, call->Layout->QueryStride), call->Groups[g] + (lane * sizeof(float)), LineBytes,
                        steps);
                    sums.Store(call, row, AttentionLayout.PartitionKeys, (g * KvLayout.GroupKeys) + lane);
                }
            }
        }
    }

    public static void Gather(AttentionCall* call)
    {
        KvLayout kv = call->Layout->Kv;
        var sums = default(Tile);
        for (int row = 0; row < call->Rows; row += RowTile)
        {
            for (int d = 0; d < kv.ValueDim; d += TSimd.Count)
            {
                sums.Clear();
                Operands weights = Rows(call, row, call->Layout->WeightStride);
                for (int g = 0; g < call->NumGroups; g++)
                {
                    sums.Accumulate(weights, call->Groups[g] + (d * sizeof(float)), kv.ValueRowBytes, kv.ValueSteps);
                    weights.Advance(KvLayout.GroupKeys);
                }

                sums.Store(call, row, call->Layout->PartialStride, d);
            }
        }
    }

    public static void Pack(int* integers, int count, int bits, byte* destination, int lowPart) =>
        throw new NotSupportedException("float caches have no integers to pack");

    /// <summary>Rows beyond the last repeat it; what they give is written over by the same.</summary>
    private static Operands Rows(AttentionCall* call, int row, int stride)
    {
        byte* first = call->Operand + ((long)row * stride);
        int last = (int)call->Rows - 1 - row;
        return new Operands
        {
            R0 = (float*)first,
            R1 = (float*)(first + (Math.Min(1, last) * stride)),
            R2 = (float*)(first + (Math.Min(2, last) * stride)),
            R3 = (float*)(first + (Math.Min(3, last) * stride)),
        };
    }

    private struct Operands
    {
        public float* R0, R1, R2, R3;

        public void Advance(int count)
        {
            R0 += count;
            R1 += count;
            R2 += count;
            R3 += count;
        }
    }

    private struct Tile
    {
        private TVector _a0, _a1, _a2, _a3;

        public void Clear() => (_a0, _a1, _a2, _a3) = (default, default, default, default);

        public void Accumulate(Operands rows, byte* lines, int stride, int steps)
        {
            (TVector a0, TVector a1, TVector a2, TVector a3) = (_a0, _a1, _a2, _a3);
            float* r0 = rows.R0, r1 = rows.R1, r2 = rows.R2, r3 = rows.R3;
            for (int i = 0; i < steps * (sizeof(float) / TElement.Size); i++)
            {
                TVector v = TSimd.Load((float*)lines);
                if (TElement.Size == sizeof(float))
                {
                    lines += stride;
                }
                else if ((i & 1) == 0)
                {
                    v = TIntSimd.FromBits(TIntSimd.ShiftLeft(TIntSimd.Bits(v), 16));
                }
                else
                {
                    v = TIntSimd.FromBits(
                        TIntSimd.And(TIntSimd.Bits(v), TIntSimd.Broadcast(unchecked((int)0xFFFF_0000))));
                    lines += stride;
                }

                a0 = TSimd.MultiplyAdd(TSimd.Broadcast(r0[i]), v, a0);
                a1 = TSimd.MultiplyAdd(TSimd.Broadcast(r1[i]), v, a1);
                a2 = TSimd.MultiplyAdd(TSimd.Broadcast(r2[i]), v, a2);
                a3 = TSimd.MultiplyAdd(TSimd.Broadcast(r3[i]), v, a3);
            }

            (_a0, _a1, _a2, _a3) = (a0, a1, a2, a3);
        }

        public readonly void Store(AttentionCall* call, int row, int stride, int column)
        {
            int last = (int)call->Rows - 1 - row;
            float* result = call->Result + ((long)row * stride) + column;
            TSimd.Store(_a3, result + (Math.Min(3, last) * stride));
            TSimd.Store(_a2, result + (Math.Min(2, last) * stride));
            TSimd.Store(_a1, result + (Math.Min(1, last) * stride));
            TSimd.Store(_a0, result);
        }
    }
}
