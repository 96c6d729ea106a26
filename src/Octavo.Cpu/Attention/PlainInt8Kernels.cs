using Octavo.Cpu.Cache;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Simd;

namespace Octavo.Cpu.Attention;

/// <summary>
/// The inner products over an int8 cache in C#, for any instruction set: the bytes of a word split into two pairs of
/// halves, (0, 2) and (1, 3), and multiplied with 15-bit integers packed as the same pairs. All sums are exact, so the
/// bits are those of the emitted code.
/// </summary>
internal readonly unsafe struct PlainInt8Kernels<TVector, TSimd, TInt, TIntSimd> : IInnerKernels
    where TVector : struct
    where TSimd : struct, ISimd<TVector>
    where TInt : struct
    where TIntSimd : struct, IIntSimd<TVector, TInt>
{
    private const int LineBytes = 64;

    public static void Score(AttentionCall* call)
    {
        KvLayout kv = call->Layout->Kv;
        for (int row = 0; row < call->Rows; row++)
        {
            int* query = (int*)(call->Operand + ((long)row * call->Layout->QueryStride));
            float* scores = call->Result + ((long)row * AttentionLayout.PartitionKeys);
            TVector factor = TSimd.Broadcast(call->Scales[row].Factor);
            TInt offset = TIntSimd.Broadcast(call->Scales[row].Offset);
            for (int g = 0; g < call->NumGroups; g++)
            {
                for (int lane = 0; lane < KvLayout.GroupKeys; lane += TSimd.Count)
                {
                    byte* lines = call->Groups[g] + (lane * sizeof(float));
                    TInt sum = default;
                    for (int step = 0; step < kv.KeySteps; step++)
                    {
                        TInt word = TIntSimd.Load(lines + kv.HeaderBytes + (step * LineBytes));
                        TInt mask = TIntSimd.Broadcast(0x00FF_00FF);
                        TInt even = TIntSimd.And(word, mask);
                        TInt odd = TIntSimd.And(TIntSimd.ShiftRightHalves(word, 8), mask);
                        sum = TIntSimd.Add(sum, TIntSimd.MultiplyAddHalves(even, TIntSimd.Broadcast(query[2 * step])));
                        sum = TIntSimd.Add(
                            sum, TIntSimd.MultiplyAddHalves(odd, TIntSimd.Broadcast(query[(2 * step) + 1])));
                    }

                    TVector score =
                        TSimd.Multiply(TIntSimd.ToFloat(TIntSimd.Subtract(sum, offset)), TSimd.Load((float*)lines));
                    TSimd.Store(TSimd.Multiply(score, factor), scores + (g * KvLayout.GroupKeys) + lane);
                }
            }
        }
    }

    public static void Gather(AttentionCall* call)
    {
        KvLayout kv = call->Layout->Kv;
        for (int row = 0; row < call->Rows; row++)
        {
            int* weights = (int*)(call->Operand + ((long)row * call->Layout->WeightStride));
            float* output = call->Result + ((long)row * call->Layout->PartialStride);
            TVector factor = TSimd.Broadcast(call->Scales[row].Factor);
            for (int d = 0; d < kv.ValueDim; d += TSimd.Count)
            {
                TInt sum = default;
                for (int i = 0; i < call->NumGroups * kv.ValueSteps; i++)
                {
                    byte* group = call->Groups[i / kv.ValueSteps] + kv.HeaderBytes;
                    TInt word = TIntSimd.Load(group + (i % kv.ValueSteps * kv.ValueRowBytes) + (d * sizeof(int)));
                    TInt even = TIntSimd.ShiftRightHalves(TIntSimd.ShiftLeftHalves(word, 8), 8);
                    TInt odd = TIntSimd.ShiftRightHalves(word, 8);
                    sum = TIntSimd.Add(sum, TIntSimd.MultiplyAddHalves(even, TIntSimd.Broadcast(weights[2 * i])));
                    sum = TIntSimd.Add(sum, TIntSimd.MultiplyAddHalves(odd, TIntSimd.Broadcast(weights[(2 * i) + 1])));
                }

                TSimd.Store(TSimd.Multiply(TIntSimd.ToFloat(sum), factor), output + d);
            }
        }
    }

    public static void Pack(int* integers, int count, int bits, byte* destination, int lowPart)
    {
        short* halves = (short*)destination;
        for (int i = 0; i < count; i += 4)
        {
            halves[i] = (short)integers[i];
            halves[i + 1] = (short)integers[i + 2];
            halves[i + 2] = (short)integers[i + 1];
            halves[i + 3] = (short)integers[i + 3];
        }
    }
}
