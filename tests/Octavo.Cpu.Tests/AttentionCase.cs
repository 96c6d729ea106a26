using System.Collections.Concurrent;
using Octavo.Cpu.Attention;
using Octavo.Cpu.Cache;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Memory;
using Octavo.Engine;
using Octavo.Models;

namespace Octavo.Cpu.Tests;

/// <summary>One sequence's keys, values and queries, in a cache with scattered blocks.</summary>
internal sealed unsafe class AttentionCase : IDisposable
{
    public const int KvHeads = 2;

    // Every instruction set is held against the same numbers: they are computed for the first that asks.
    private static readonly ConcurrentDictionary<object, Lazy<float[][]>> s_expected = new();

    private readonly float[][] _keys;        // [position · KvHeads + head][dim]
    private readonly float[][] _values;
    private readonly float[][] _queries;     // [token · heads + head][dim]
    private readonly float[] _slopes;
    private readonly int[] _table;
    private readonly object _key;            // what the expected numbers follow from

    public AttentionCase(
        KvCacheFormat format, int headDim, int group, int first, int tokens, AttentionRule rule, bool slopes = false,
        int blockSize = 16, int seed = 1, KvScale? scale = null)
    {
        (Format, HeadDim, Group, First, Tokens, Rule, Scale) =
            (format, headDim, group, first, tokens, rule, scale ?? KvScale.One);
        _key = (format, headDim, group, first, tokens, rule, slopes, seed, Scale);
        var random = new Random(seed);
        int length = first + tokens;
        _keys = Rows(length * KvHeads);
        _values = Rows(length * KvHeads);
        _queries = Rows(tokens * KvHeads * group);
        _slopes = [.. Enumerable.Range(0, KvHeads * group).Select(h => slopes ? MathF.Pow(2, -0.5f * (h + 1)) : 0f)];
        int blocks = (length + blockSize - 1) / blockSize;
        _table = [.. Enumerable.Range(0, blocks + 3).OrderBy(_ => random.Next()).Take(blocks)];
        Cache = new KvCache([Spec(headDim, KvHeads, group)], format, blocks + 3, blockSize, [Scale]);

        // What was in a block before must not be seen: numbers that are none, and enormous ones.
        float[] junk =
            [.. Enumerable.Range(0, KvHeads * headDim).Select(i => i % 3 == 0 ? float.NaN : i % 3 == 1 ? 3e38f : -1f)];
        fixed (float* j = junk)
        {
            for (int slot = 0; slot < (blocks + 3) * blockSize; slot++)
            {
                Cache.Write(0, slot, j, j);
            }
        }

        // One row of each, written again and again: pages with guards are dear.
        using GuardedMemory key = GuardedMemory.OfFloats(junk);
        using GuardedMemory value = GuardedMemory.OfFloats(junk);
        for (int position = 0; position < length; position++)
        {
            for (int head = 0; head < KvHeads; head++)
            {
                _keys[(position * KvHeads) + head].CopyTo(new Span<float>(key.Floats + (head * headDim), headDim));
                _values[(position * KvHeads) + head].CopyTo(new Span<float>(value.Floats + (head * headDim), headDim));
            }

            Cache.Write(
                0, (_table[position / blockSize] * blockSize) + (position % blockSize), key.Floats, value.Floats);
        }

        float[][] Rows(int count) =>
            [.. Enumerable.Range(0, count).Select(
                _ => Enumerable.Range(0, headDim).Select(_ => (float)((random.NextDouble() * 4) - 2)).ToArray())];
    }

    public KvCacheFormat Format { get; }

    public int HeadDim { get; }

    public int Group { get; }

    public int First { get; }

    public int Tokens { get; }

    public AttentionRule Rule { get; }

    public KvScale Scale { get; }

    public KvCache Cache { get; }

    public int Heads => KvHeads * Group;

    /// <summary>What each token's heads must give.</summary>
    public float[][] Expected() => s_expected.GetOrAdd(_key, _ => new Lazy<float[][]>(Attend)).Value;

    private float[][] Attend()
    {
        var twin = new AttentionTwin(Format, HeadDim, Rule, Scale);
        return [.. Enumerable.Range(0, Tokens * Heads).AsParallel().AsOrdered().Select(row =>
        {
            int head = row % Heads;
            (float[][] keys, float[][] values) = Head(head / Group);
            return twin.Attend(_queries[row], keys, values, First + (row / Heads), _slopes[head]);
        })];
    }

    /// <summary>The same in double precision on the numbers as given, with no format at all.</summary>
    public double[][] Ideal() => [.. Enumerable.Range(0, Tokens * Heads).Select(row =>
    {
        int head = row % Heads;
        int position = First + (row / Heads);
        (float[][] keys, float[][] values) = Head(head / Group);
        int low = Rule.Window > 0 ? Math.Max(0, position - Rule.Window + 1) : 0;
        double[] scores = [.. Enumerable.Range(low, position + 1 - low).Select(k =>
        {
            double score = _queries[row].Zip(keys[k], (a, b) => (double)a * b).Sum() * Rule.Scale;
            score = Rule.SoftCap > 0 ? Rule.SoftCap * Math.Tanh(score / Rule.SoftCap) : score;
            return score + (_slopes[head] * (k - position));
        })];
        double max = scores.Max();
        double[] weights = [.. scores.Select(s => Math.Exp(s - max))];
        return Enumerable.Range(0, HeadDim)
            .Select(d => weights.Select((w, i) => w * values[low + i][d]).Sum() / weights.Sum())
            .ToArray();
    })];

    /// <summary>
    /// Runs kernels over tokens <paramref name="from"/> to <paramref name="to"/>, whole or cut at partitions.
    /// </summary>
    public float[][] Run(AttentionPath path, int from, int to, bool split)
    {
        var layout = new AttentionLayout(Cache.Layer(0).Layout);
        float[] q = [.. _queries[(from * Heads)..(to * Heads)].SelectMany(x => x)];
        using GuardedMemory query = GuardedMemory.OfFloats(q);
        using GuardedMemory output = new(q.Length * sizeof(float));
        using GuardedMemory slopes = GuardedMemory.OfFloats(_slopes);
        using var scratch = new AttentionScratch(layout, (to - from) * Group);
        int partitions = (First + to + 511) / 512;
        using var partials =
            new NativeBuffer((long)partitions * (to - from) * Group * layout.PartialStride * sizeof(float));
        for (int kvHead = 0; kvHead < KvHeads; kvHead++)
        {
            for (int range = split ? partitions - 1 : 0; range >= 0; range--)
            {
                AttentionTile tile = Tile(kvHead, split ? range : 0, split ? range + 1 : partitions);
                path.Run(tile, scratch);
            }

            AttentionTile whole = Tile(kvHead, 0, 0);
            if (split)
            {
                path.Merge(whole, scratch);
            }

            path.Write(whole, scratch);
        }

        return [.. Enumerable.Range(0, (to - from) * Heads)
            .Select(row => new ReadOnlySpan<float>(output.Floats + (row * HeadDim), HeadDim).ToArray())];

        AttentionTile Tile(int kvHead, int firstPartition, int endPartition) => new()
        {
            Cache = Cache,
            KvHead = kvHead,
            BlockTable = _table,
            FirstPosition = First + from,
            NumTokens = to - from,
            Group = Group,
            Query = query.Floats + (kvHead * Group * HeadDim),
            QueryStride = Heads * HeadDim,
            Output = output.Floats + (kvHead * Group * HeadDim),
            OutputStride = Heads * HeadDim,
            Rule = Rule,
            Slopes = _slopes[0] == 0 ? null : slopes.Floats + (kvHead * Group),
            FirstPartition = firstPartition,
            EndPartition = endPartition,
            Partials = split ? partials.Floats : null,
        };
    }

    /// <summary>Writes other keys and values of all heads to a position.</summary>
    public void Overwrite(int position, float* keys, float* values) =>
        Cache.Write(
            0, (_table[position / Cache.BlockSize] * Cache.BlockSize) + (position % Cache.BlockSize), keys, values);

    public void Dispose() => Cache.Dispose();

    private (float[][] Keys, float[][] Values) Head(int kvHead) =>
        ([.. _keys.Where((_, i) => i % KvHeads == kvHead)], [.. _values.Where((_, i) => i % KvHeads == kvHead)]);

    public static AttentionSpec Spec(int headDim, int kvHeads, int group) => new()
    {
        Width = headDim,
        NumHeads = kvHeads * group,
        NumKvHeads = kvHeads,
        HeadDim = headDim,
        Query = new LinearTensors("q", null),
        Key = new LinearTensors("k", null),
        Value = new LinearTensors("v", null),
        Output = new LinearTensors("o", null),
    };
}
