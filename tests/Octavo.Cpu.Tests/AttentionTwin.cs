using Octavo.Cpu.Attention;
using Octavo.Cpu.Cache;
using Octavo.Cpu.Panels;
using Octavo.Cpu.Simd;
using Octavo.Engine;

namespace Octavo.Cpu.Tests;

/// <summary>
/// Attention of one row in plain C#, obviously right: what the cache stores, what each partition gives, how partitions
/// merge. The kernels are compared with it bit by bit.
/// </summary>
internal sealed class AttentionTwin(KvCacheFormat format, int headDim, AttentionRule rule, KvScale scale)
{
    private const int PartitionKeys = 512;
    private const float Log2E = 1.44269504f;

    /// <summary>Computes a row's output.</summary>
    /// <param name="query">Its query.</param>
    /// <param name="keys">Keys of all positions, from 0 on.</param>
    /// <param name="values">Their values.</param>
    /// <param name="position">Its position.</param>
    /// <param name="slope">Its head's slope.</param>
    public float[] Attend(float[] query, float[][] keys, float[][] values, int position, float slope)
    {
        var output = new float[headDim];
        float max = float.NegativeInfinity;
        float sum = 0;
        int first = rule.Window > 0 ? Math.Max(0, position - rule.Window + 1) : 0;
        for (int start = 0; start <= position; start += PartitionKeys)
        {
            int low = Math.Max(start, first);
            int high = Math.Min(start + PartitionKeys, position + 1);
            if (low >= high)
            {
                continue;
            }

            (float partMax, float partSum, float[] partOutput) =
                Partition(query, keys, values, low, high, position, slope);
            float larger = Math.Max(max, partMax);
            float before = Exponential.Of(max - larger);
            float added = Exponential.Of(partMax - larger);
            max = larger;
            sum = MathF.FusedMultiplyAdd(partSum, added, sum * before);
            for (int d = 0; d < headDim; d++)
            {
                output[d] = MathF.FusedMultiplyAdd(partOutput[d] + 0f, added, output[d] * before);
            }
        }

        return [.. output.Select(o => o / sum * scale.Value)];
    }

    private (float Max, float Sum, float[] Output) Partition(
        float[] query, float[][] keys, float[][] values, int low, int high, int position, float slope)
    {
        float[] scores =
            [.. Enumerable.Range(low, high - low).Select(k => Adjust(Score(query, keys[k]), k - position, slope))];
        float max = scores.Max();
        float[] weights = [.. scores.Select(s => Exponential.Of(s - max))];
        var lanes = new float[16];
        for (int i = 0; i < weights.Length; i++)
        {
            lanes[(low + i) % 16] += weights[i];
        }

        float[] quarters =
            [.. Enumerable.Range(0, 4).Select(i => (lanes[i] + lanes[i + 4]) + (lanes[i + 8] + lanes[i + 12]))];
        float sum = (quarters[0] + quarters[1]) + (quarters[2] + quarters[3]);
        float[][] inside = values[low..high];
        return (max, sum, format == KvCacheFormat.Int8 ? GatherInt8(weights, inside) : GatherFloat(weights, inside));
    }

    private float Score(float[] query, float[] key)
    {
        float all = rule.Scale * scale.Key;
        float factor = rule.SoftCap > 0 ? all / rule.SoftCap : all * Log2E;
        if (format != KvCacheFormat.Int8)
        {
            float sum = 0;
            for (int d = 0; d < headDim; d++)
            {
                sum = MathF.FusedMultiplyAdd(query[d] * factor, Stored(key[d], scale.Key), sum);
            }

            return sum;
        }

        (int[] q, float queryScale) = Quantize(query, 127 * 128);
        (int[] k, float keyScale) = Quantize(key, 127);
        int dot = q.Zip(k, (a, b) => a * b).Sum();
        return (float)dot * keyScale * (queryScale * factor);
    }

    private float Adjust(float score, int distance, float slope)
    {
        if (rule.SoftCap > 0)
        {
            float x = Math.Clamp(score, -16f, 16f);
            float power = Exponential.Of(x * (2 * Log2E));
            score = (1f - (2f / (power + 1f))) * (rule.SoftCap * Log2E);
        }

        return slope == 0 ? score : MathF.FusedMultiplyAdd(slope * Log2E, distance, score);
    }

    private float[] GatherFloat(float[] weights, float[][] values)
    {
        var output = new float[headDim];
        for (int i = 0; i < weights.Length; i++)
        {
            for (int d = 0; d < headDim; d++)
            {
                output[d] = MathF.FusedMultiplyAdd(weights[i], Stored(values[i][d], scale.Value), output[d]);
            }
        }

        return output;
    }

    private float[] GatherInt8(float[] weights, float[][] values)
    {
        (int[] Integers, float Scale)[] stored = [.. values.Select(v => Quantize(v, 127))];
        float[] scaled = [.. weights.Zip(stored, (w, v) => w * v.Scale)];
        (int[] integers, float scaledBy) = Quantize(scaled, 32767);
        var output = new float[headDim];
        for (int d = 0; d < headDim; d++)
        {
            int sum = 0;
            for (int i = 0; i < integers.Length; i++)
            {
                sum += integers[i] * stored[i].Integers[d];
            }

            output[d] = sum * scaledBy;
        }

        return output;
    }

    private float Stored(float value, float scaledBy) => format switch
    {
        KvCacheFormat.BFloat16 => BitConverter.Int32BitsToSingle(BFloat16Element.Round(value) << 16),
        KvCacheFormat.Fp8 => WeightQuantizer.FromFloat8(WeightQuantizer.ToFloat8(value / scaledBy)),
        _ => value,
    };

    /// <summary>Integers up to <paramref name="most"/> over the largest magnitude.</summary>
    private static (int[] Integers, float Scale) Quantize(float[] numbers, int most)
    {
        float largest = numbers.Max(Math.Abs);
        float inverse = largest >= 1e-30f ? most / largest : 0f;
        int[] integers = [.. numbers.Select(x => (int)MathF.Round(x * inverse, MidpointRounding.ToEven))];
        return (integers, inverse == 0f ? 0f : largest / most);
    }
}
