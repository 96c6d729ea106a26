using System.Runtime.CompilerServices;
using Octavo.Cpu.Simd;

namespace Octavo.Cpu.Kernels;

/// <summary>
/// Attention of a few query rows of one sequence and one key-value head over the paged cache, in three passes: scores of
/// all keys, softmax, sum of values.
/// </summary>
/// <remarks>
/// Orders are fixed by position alone: a score sums over the head's dimensions from 0 upwards; the softmax's denominator
/// sums in sixteen lanes by key position; the output sums over keys from position 0 upwards. A key behind a row's own
/// position has weight exactly zero, so neither the tile's other rows nor the chunk's boundaries can be seen.
/// </remarks>
internal unsafe interface IAttentionKernel
{
    /// <summary>Computes the tile's outputs.</summary>
    static abstract void Run(in AttentionTile tile);
}

/// <summary>The rows of one call.</summary>
internal readonly unsafe ref struct AttentionTile
{
    public required KvCache Cache { get; init; }

    public int Layer { get; init; }

    public int KvHead { get; init; }

    public ReadOnlySpan<int> BlockTable { get; init; }

    /// <summary>The position of the first query token; row <c>r</c> belongs to token <c>r / Group</c>.</summary>
    public int FirstPosition { get; init; }

    public int NumTokens { get; init; }

    /// <summary>Query heads a key-value head.</summary>
    public int Group { get; init; }

    /// <summary>The first row's query; rows of a token follow each other, tokens are <see cref="QueryStride"/> apart.</summary>
    public float* Query { get; init; }

    public int QueryStride { get; init; }

    public float* Output { get; init; }

    public int OutputStride { get; init; }

    public float Scale { get; init; }

    /// <summary>Scratch: <c>[rows][ScoreStride]</c>, and one padded head behind another for four rows.</summary>
    public float* Scores { get; init; }

    public int ScoreStride { get; init; }

    public float* Accumulators { get; init; }

    public int Rows => NumTokens * Group;

    public int NumKeys => FirstPosition + NumTokens;

    public float* QueryRow(int row) => Query + ((long)(row / Group) * QueryStride) + ((long)(row % Group) * Cache.HeadDim);

    public float* OutputRow(int row) => Output + ((long)(row / Group) * OutputStride) + ((long)(row % Group) * Cache.HeadDim);
}

/// <inheritdoc cref="IAttentionKernel"/>
internal readonly unsafe struct AttentionKernel<TVector, TSimd, TElement> : IAttentionKernel
    where TVector : struct
    where TSimd : struct, ISimd<TVector>
    where TElement : struct, IElement
{
    private const int RowTile = 4;

    public static void Run(in AttentionTile tile)
    {
        for (int row = 0; row < tile.Rows; row += RowTile)
        {
            Score(tile, row, Math.Min(RowTile, tile.Rows - row));
        }

        for (int row = 0; row < tile.Rows; row++)
        {
            Softmax(tile.Scores + ((long)row * tile.ScoreStride), tile.FirstPosition + (row / tile.Group) + 1, Padded(tile.NumKeys));
        }

        for (int row = 0; row < tile.Rows; row += RowTile)
        {
            Gather(tile, row, Math.Min(RowTile, tile.Rows - row));
        }
    }

    private static int Padded(int keys) => (keys + KvCache.Lanes - 1) / KvCache.Lanes * KvCache.Lanes;

    /// <summary><c>scores[r, key] = scale · Σ_d q[r, d] · k[d, key]</c> for up to four rows and all keys.</summary>
    private static void Score(in AttentionTile tile, int row, int rows)
    {
        // Rows beyond the last repeat it; their scores are written over by the same values.
        float* q0 = tile.QueryRow(row);
        float* q1 = tile.QueryRow(row + Math.Min(1, rows - 1));
        float* q2 = tile.QueryRow(row + Math.Min(2, rows - 1));
        float* q3 = tile.QueryRow(row + Math.Min(3, rows - 1));
        float* s0 = tile.Scores + ((long)row * tile.ScoreStride);
        float* s1 = s0 + ((long)Math.Min(1, rows - 1) * tile.ScoreStride);
        float* s2 = s0 + ((long)Math.Min(2, rows - 1) * tile.ScoreStride);
        float* s3 = s0 + ((long)Math.Min(3, rows - 1) * tile.ScoreStride);
        TVector scale = TSimd.Broadcast(tile.Scale);
        int blockSize = tile.Cache.BlockSize;
        for (int key = 0; key < tile.NumKeys; key += TSimd.Count)
        {
            byte* k = tile.Cache.Keys(tile.Layer, tile.BlockTable[key / blockSize], tile.KvHead) + ((long)(key % blockSize) * TElement.Size);
            TVector a0 = default, a1 = default, a2 = default, a3 = default;
            for (int d = 0; d < tile.Cache.HeadDim; d++)
            {
                TVector keys = TElement.Load<TVector, TSimd>(k);
                a0 = TSimd.MultiplyAdd(TSimd.Broadcast(q0[d]), keys, a0);
                a1 = TSimd.MultiplyAdd(TSimd.Broadcast(q1[d]), keys, a1);
                a2 = TSimd.MultiplyAdd(TSimd.Broadcast(q2[d]), keys, a2);
                a3 = TSimd.MultiplyAdd(TSimd.Broadcast(q3[d]), keys, a3);
                k += (long)blockSize * TElement.Size;
            }

            TSimd.Store(TSimd.Multiply(a0, scale), s0 + key);
            TSimd.Store(TSimd.Multiply(a1, scale), s1 + key);
            TSimd.Store(TSimd.Multiply(a2, scale), s2 + key);
            TSimd.Store(TSimd.Multiply(a3, scale), s3 + key);
        }
    }

    /// <summary>Turns the first <paramref name="keys"/> scores into weights that add up to 1, the rest into zeros.</summary>
    private static void Softmax(float* scores, int keys, int padded)
    {
        float max = float.NegativeInfinity;
        for (int key = 0; key < keys; key++)
        {
            max = Math.Max(max, scores[key]);
        }

        for (int key = keys; key < padded; key++)
        {
            scores[key] = float.NegativeInfinity;
        }

        float* lanes = stackalloc float[KvCache.Lanes];
        new Span<float>(lanes, KvCache.Lanes).Clear();
        TVector offset = TSimd.Broadcast(max);
        for (int key = 0; key < padded; key += TSimd.Count)
        {
            TVector weight = TSimd.Exp(TSimd.Subtract(TSimd.Load(scores + key), offset));
            TSimd.Store(weight, scores + key);
            float* lane = lanes + (key % KvCache.Lanes);
            TSimd.Store(TSimd.Add(TSimd.Load(lane), weight), lane);
        }

        float sum = 0;
        for (int lane = 0; lane < KvCache.Lanes; lane++)
        {
            sum += lanes[lane];
        }

        for (int key = keys; key < padded; key++)
        {
            scores[key] = 0;
        }

        TVector divisor = TSimd.Broadcast(sum);
        for (int key = 0; key < padded; key += TSimd.Count)
        {
            TSimd.Store(TSimd.Divide(TSimd.Load(scores + key), divisor), scores + key);
        }
    }

    /// <summary><c>output[r, d] = Σ_key weight[r, key] · v[key, d]</c> for up to four rows.</summary>
    private static void Gather(in AttentionTile tile, int row, int rows)
    {
        float* p0 = tile.Scores + ((long)row * tile.ScoreStride);
        float* p1 = p0 + ((long)Math.Min(1, rows - 1) * tile.ScoreStride);
        float* p2 = p0 + ((long)Math.Min(2, rows - 1) * tile.ScoreStride);
        float* p3 = p0 + ((long)Math.Min(3, rows - 1) * tile.ScoreStride);
        KvCache cache = tile.Cache;
        int width = cache.PaddedHeadDim;
        for (int d = 0; d < width; d += TSimd.Count)
        {
            TVector a0 = default, a1 = default, a2 = default, a3 = default;
            for (int first = 0; first < tile.NumKeys; first += cache.BlockSize)
            {
                byte* v = cache.Values(tile.Layer, tile.BlockTable[first / cache.BlockSize], tile.KvHead) + ((long)d * TElement.Size);
                int end = Math.Min(first + cache.BlockSize, tile.NumKeys);
                for (int key = first; key < end; key++)
                {
                    TVector values = TElement.Load<TVector, TSimd>(v);
                    a0 = TSimd.MultiplyAdd(TSimd.Broadcast(p0[key]), values, a0);
                    a1 = TSimd.MultiplyAdd(TSimd.Broadcast(p1[key]), values, a1);
                    a2 = TSimd.MultiplyAdd(TSimd.Broadcast(p2[key]), values, a2);
                    a3 = TSimd.MultiplyAdd(TSimd.Broadcast(p3[key]), values, a3);
                    v += (long)width * TElement.Size;
                }
            }

            TSimd.Store(a0, tile.Accumulators + d);
            TSimd.Store(a1, tile.Accumulators + width + d);
            TSimd.Store(a2, tile.Accumulators + (2 * width) + d);
            TSimd.Store(a3, tile.Accumulators + (3 * width) + d);
        }

        for (int r = 0; r < rows; r++)
        {
            Unsafe.CopyBlock(tile.OutputRow(row + r), tile.Accumulators + (r * width), (uint)(cache.HeadDim * sizeof(float)));
        }
    }
}
