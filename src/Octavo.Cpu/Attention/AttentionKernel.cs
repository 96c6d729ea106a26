using System.Runtime.Intrinsics;
using Octavo.Cpu.Cache;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Simd;
using Octavo.Engine;

namespace Octavo.Cpu.Attention;

/// <summary>
/// Attention of a tile's rows over the paged cache, partition by partition: scores, softmax within the partition,
/// weighted sum of values, and the merge with what came before.
/// </summary>
/// <remarks>
/// Every order is fixed by position alone. Partitions of 512 keys are counted from position 0. Within one, a score sums
/// over dimensions from 0 upwards, the weights sum in sixteen lanes by key position, the output over keys in order;
/// partitions merge in ascending order. A key that a row does not attend to has weight exactly zero and adds exactly
/// nothing. So neither the tile's other rows nor chunks, threads or blocks can be seen in the result.
/// </remarks>
internal readonly unsafe struct AttentionKernel<TInner, TVector, TSimd, TInt, TIntSimd>
    where TInner : struct, IInnerKernels
    where TVector : struct
    where TSimd : struct, ISimd<TVector>
    where TInt : struct
    where TIntSimd : struct, IIntSimd<TVector, TInt>
{
    private const int KeysAtOnce = AttentionLayout.PartitionKeys;
    private const int GroupKeys = KvLayout.GroupKeys;

    /// <summary>
    /// Computes the tile's partitions: into <see cref="AttentionTile.Partials"/>, or merged into the scratch's state.
    /// </summary>
    public static void Run(in AttentionTile tile, AttentionScratch scratch, void** code)
    {
        var layout = new AttentionLayout(tile.Layout);
        PackQueries(tile, layout, scratch);
        int first = Math.Max(tile.FirstPartition, tile.FirstKey(0) / KeysAtOnce);
        if (tile.Partials == null)
        {
            ClearState(scratch.State, layout, tile.Rows);
        }
        else
        {
            ClearState(
                tile.Partials + ((long)tile.FirstPartition * tile.Rows * layout.PartialStride), layout,
                Math.Max(0, Math.Min(first, tile.EndPartition) - tile.FirstPartition) * tile.Rows);
        }

        FindGroups(tile, At(tile, first), scratch.NextKeys, keys: true);
        for (int partition = first; partition < tile.EndPartition; partition++)
        {
            scratch.SwapKeys();
            int groups = FindGroups(tile, At(tile, partition), scratch.Values, keys: false);
            PartitionKeys next = partition + 1 < tile.EndPartition ? At(tile, partition + 1) : tile.Next;
            scratch.HasNext = !next.BlockTable.IsEmpty;
            if (scratch.HasNext)
            {
                // Behind its last group the address is repeated: as many are fetched as there are groups here.
                int found = FindGroups(tile, next, scratch.NextKeys, keys: true);
                new Span<nint>(scratch.NextKeys + found, AttentionLayout.PartitionGroups - found).Fill(
                    (nint)scratch.NextKeys[found - 1]);
            }

            if (layout.Widens)
            {
                int skipped = Math.Max(0, tile.FirstKey(0) - (partition * KeysAtOnce)) / GroupKeys;
                Widen(layout, scratch, skipped, groups);
            }

            Fetching.Plan(layout, scratch, groups);
            for (int row = 0; row < tile.Rows; row += AttentionLayout.MostRows)
            {
                int rows = Math.Min(AttentionLayout.MostRows, tile.Rows - row);
                float* partials = tile.Partials == null
                    ? scratch.Partials
                    : tile.Partials + ((((long)partition * tile.Rows) + row) * layout.PartialStride);
                Partition(tile, &layout, scratch, code, partition, row, rows, partials);
                for (int r = 0; r < rows && tile.Partials == null; r++)
                {
                    Merge(
                        scratch.State + ((long)(row + r) * layout.PartialStride),
                        partials + ((long)r * layout.PartialStride), layout);
                }
            }
        }
    }

    /// <summary>Merges the partial results of all partitions, in ascending order, into the scratch's state.</summary>
    public static void Merge(in AttentionTile tile, AttentionScratch scratch)
    {
        var layout = new AttentionLayout(tile.Layout);
        ClearState(scratch.State, layout, tile.Rows);
        for (int partition = 0; partition < tile.NumPartitions; partition++)
        {
            for (int row = 0; row < tile.Rows; row++)
            {
                float* partial = tile.Partials + ((((long)partition * tile.Rows) + row) * layout.PartialStride);
                Merge(scratch.State + ((long)row * layout.PartialStride), partial, layout);
            }
        }
    }

    /// <summary>Writes the rows' outputs from the scratch's state.</summary>
    public static void Write(in AttentionTile tile, AttentionScratch scratch)
    {
        var layout = new AttentionLayout(tile.Layout);
        TVector scale = TSimd.Broadcast(tile.Cache.Layer(tile.Layer).Scale.Value);
        float* state = scratch.State;
        for (int row = 0; row < tile.Rows; row++, state += layout.PartialStride)
        {
            TVector divisor = TSimd.Broadcast(SumOf(tile, state, row));
            float* sums = state + AttentionLayout.PartialHeader;
            for (int d = 0; d < layout.Kv.ValueDim; d += TSimd.Count)
            {
                TSimd.Store(TSimd.Multiply(TSimd.Divide(TSimd.Load(sums + d), divisor), scale), sums + d);
            }

            new ReadOnlySpan<float>(sums, layout.Kv.HeadDim).CopyTo(
                new Span<float>(tile.OutputRow(row), layout.Kv.HeadDim));
        }
    }

    /// <summary>
    /// The sum of a row's weights, relative to that of its greatest score; a sink's is one of them.
    /// </summary>
    private static float SumOf(in AttentionTile tile, float* state, int row)
    {
        // Beyond this a sink has all the weight there is.
        const float Most = 126f;
        return tile.Sinks == null
            ? state[1]
            : state[1] + MathF.Pow(
                2f, Math.Min(Most, (tile.Sinks[row % tile.Group] * ScoreAdjustment.Log2E) - state[0]));
    }

    /// <summary>
    /// Scores in units of log 2, so that the softmax takes powers of 2; a soft cap wants them as multiples of itself
    /// first. The scale of stored keys is in it.
    /// </summary>
    private static float ScoreFactor(in AttentionTile tile)
    {
        float scale = tile.Rule.Scale * tile.Cache.Layer(tile.Layer).Scale.Key;
        return tile.Rule.SoftCap > 0 ? scale / tile.Rule.SoftCap : scale * ScoreAdjustment.Log2E;
    }

    private static void PackQueries(in AttentionTile tile, AttentionLayout layout, AttentionScratch scratch)
    {
        int headDim = layout.Kv.HeadDim;
        int padded = layout.Kv.ValueDim;
        float factor = ScoreFactor(tile);
        float* buffer = scratch.Scores;
        for (int row = 0; row < tile.Rows; row++)
        {
            float* query = tile.QueryRow(row);
            byte* packed = scratch.Queries + ((long)row * layout.QueryStride);
            bool isInt8 = layout.Kv.Format == KvCacheFormat.Int8;
            float* target = isInt8 ? buffer : (float*)packed;
            for (int d = 0; d < padded; d += TSimd.Count)
            {
                if (d + TSimd.Count <= headDim)
                {
                    TVector x = TSimd.Load(query + d);
                    TSimd.Store(isInt8 ? x : TSimd.Multiply(x, TSimd.Broadcast(factor)), target + d);
                    continue;
                }

                for (int i = d; i < d + TSimd.Count; i++)
                {
                    target[i] = i >= headDim ? 0f : isInt8 ? query[i] : query[i] * factor;
                }
            }

            if (isInt8)
            {
                scratch.QueryScales[row] = QuantizeQuery(buffer, padded, factor, scratch.Integers, packed);
            }
        }
    }

    /// <summary>Rounds a query to 15-bit integers over its largest magnitude.</summary>
    private static RowScale QuantizeQuery(float* query, int padded, float factor, int* integers, byte* packed)
    {
        TVector most = default;
        for (int d = 0; d < padded; d += TSimd.Count)
        {
            TVector x = TSimd.Load(query + d);
            most = TSimd.Max(most, TSimd.Max(x, TSimd.Subtract(default, x)));
        }

        float largest = Largest(most);
        float inverse = largest >= Rounding.Least ? AttentionLayout.LargestQuery / largest : 0f;
        int sum = 0;
        TInt sums = default;
        for (int d = 0; d < padded; d += TSimd.Count)
        {
            TInt rounded = Round(TSimd.Load(query + d), inverse);
            TIntSimd.Store(rounded, integers + d);
            sums = TIntSimd.Add(sums, rounded);
        }

        int* lanes = stackalloc int[GroupKeys];
        TIntSimd.Store(sums, lanes);
        for (int lane = 0; lane < TSimd.Count; lane++)
        {
            sum += lanes[lane];
        }

        TInner.Pack(integers, padded, 7, packed, padded);

        // Keys are stored with 128 added, so every dot product holds 128 times the query's sum. A query that is not a
        // number keeps its NaN in the factor.
        return new RowScale { Factor = largest / AttentionLayout.LargestQuery * factor, Offset = 128 * sum };
    }

    private static PartitionKeys At(in AttentionTile tile, int partition) =>
        new() { BlockTable = tile.BlockTable, KvHead = tile.KvHead, Partition = partition, NumKeys = tile.NumKeys };

    /// <summary>Finds a partition's groups, and returns their number.</summary>
    private static int FindGroups(in AttentionTile tile, PartitionKeys at, byte** pointers, bool keys)
    {
        KvCache cache = tile.Cache;
        int perBlock = cache.GroupsPerBlock;
        int size = keys ? tile.Layout.KeyGroupBytes : tile.Layout.ValueGroupBytes;
        int start = at.Partition * AttentionLayout.PartitionGroups;
        int count = Math.Min(AttentionLayout.PartitionGroups, ((at.NumKeys + GroupKeys - 1) / GroupKeys) - start);
        int block = start / perBlock;
        int within = start % perBlock;
        KvStretch stretch = default;
        for (int i = 0; i < count; i++)
        {
            // What was given back is not read; its address is fetched from.
            int held = Math.Max(0, at.BlockTable[block]);
            if (!stretch.Holds(held))
            {
                stretch = keys
                    ? cache.Keys(tile.Layer, held, at.KvHead)
                    : cache.Values(tile.Layer, held, at.KvHead);
            }

            pointers[i] = stretch.At(held) + ((long)within * size);
            if (++within == perBlock)
            {
                (within, block) = (0, block + 1);
            }
        }

        return count;
    }

    /// <summary>
    /// Widens a partition's groups, but those that no row attends to, and leaves the addresses of what it made. What
    /// comes next in the same order is fetched meanwhile: values with keys, the next partition's keys with values.
    /// </summary>
    private static void Widen(AttentionLayout layout, AttentionScratch scratch, int skipped, int groups)
    {
        KvLayout stored = layout.Stored;
        bool wide = TSimd.Count == Vector512<float>.Count;
        byte** next = scratch.HasNext ? scratch.NextKeys : scratch.Values;
        for (int g = skipped; g < groups; g++)
        {
            byte* widened = scratch.WidenedKeys + ((long)g * layout.Kv.KeyGroupBytes);
            Float8.Widen(scratch.Keys[g], widened, stored.KeySteps, KvLayout.LineBytes, scratch.Values[g], wide);
            scratch.Keys[g] = widened;
        }

        for (int g = skipped; g < groups; g++)
        {
            byte* widened = scratch.WidenedValues + ((long)g * layout.Kv.ValueGroupBytes);
            Float8.Widen(scratch.Values[g], widened, stored.ValueSteps, stored.ValueRowBytes, next[g], wide);
            scratch.Values[g] = widened;
        }

        scratch.HasNext = false;
    }

    /// <summary>One partition for up to six rows.</summary>
    private static void Partition(
        in AttentionTile tile, AttentionLayout* layout, AttentionScratch scratch, void** code, int partition, int row,
        int rows, float* partials)
    {
        int start = partition * KeysAtOnce;
        int firstGroup = Math.Max(0, tile.FirstKey(row) - start) / GroupKeys;
        int keys = Math.Min(KeysAtOnce, tile.Position(row + rows - 1) + 1 - start);
        int groups = ((keys + GroupKeys - 1) / GroupKeys) - firstGroup;
        if (groups <= 0)
        {
            ClearState(partials, *layout, rows);
            return;
        }

        start += firstGroup * GroupKeys;
        var call = new AttentionCall
        {
            Groups = scratch.Keys + firstGroup,
            NumGroups = groups,
            Operand = scratch.Queries + ((long)row * layout->QueryStride),
            Result = scratch.Scores,
            Scales = scratch.QueryScales + row,
            Ahead = scratch.AheadOfScore,
            Code = code,
            Rows = rows,
            Layout = layout,
        };
        TInner.Score(&call);
        for (int r = 0; r < rows; r++)
        {
            float* scores = scratch.Scores + (r * KeysAtOnce);
            int low = Math.Max(0, tile.FirstKey(row + r) - start);
            int high = Math.Min(groups * GroupKeys, tile.Position(row + r) + 1 - start);
            if (tile.Rule.SoftCap > 0 || tile.Slopes != null)
            {
                float slope = tile.Slopes == null ? 0f : tile.Slopes[(row + r) % tile.Group];
                ScoreAdjustment.Apply<TVector, TSimd, TInt, TIntSimd>(
                    scores, groups * GroupKeys, tile.Rule.SoftCap, slope, start - tile.Position(row + r));
            }

            float* partial = partials + ((long)r * layout->PartialStride);
            if (low >= high)
            {
                // Of this partition other rows see something, this one nothing: its weights are zeros.
                (low, high) = (0, 0);
            }

            var fetching =
                new Fetching(scratch, layout->Kv, scratch.Values + firstGroup, groups, row == 0 ? r : -1, rows);
            Softmax(scores, low, high, groups, scratch.Values + firstGroup, layout, scratch, r, partial, ref fetching);
        }

        call.Groups = scratch.Values + firstGroup;
        call.Operand = layout->Kv.Format == KvCacheFormat.Int8 ? scratch.Weights : (byte*)scratch.Scores;
        call.Result = partials + AttentionLayout.PartialHeader;
        call.Scales = scratch.WeightScales;
        call.Ahead = scratch.AheadOfGather;
        TInner.Gather(&call);
    }

    /// <summary>
    /// Turns scores of the keys from low to high into weights, the others into zeros; leaves maximum and sum in the
    /// partial result.
    /// </summary>
    private static void Softmax(
        float* scores, int low, int high, int groups, byte** values, AttentionLayout* layout, AttentionScratch scratch,
        int row, float* partial, ref Fetching fetching)
    {
        int width = groups * GroupKeys;
        new Span<float>(scores, low).Fill(float.NegativeInfinity);
        new Span<float>(scores + high, width - high).Fill(float.NegativeInfinity);
        TVector most = TSimd.Broadcast(float.NegativeInfinity);
        for (int key = 0; key < width; key += TSimd.Count)
        {
            most = TSimd.Max(most, TSimd.Load(scores + key));
        }

        float max = low < high ? Largest(most) : 0f;
        partial[0] = low < high ? max : float.NegativeInfinity;
        partial[1] = layout->Kv.Format == KvCacheFormat.Int8
            ? ScaledWeights(scores, groups, max, values, scratch, row, layout->WeightStride, ref fetching)
            : Weights(scores, groups, max, ref fetching);
    }

    /// <summary>
    /// <c>weight = 2^(score − max)</c>; returns their sum, lane by lane, then the lanes in a fixed tree.
    /// </summary>
    private static float Weights(float* scores, int groups, float max, ref Fetching fetching)
    {
        float* lanes = stackalloc float[GroupKeys];
        TVector offset = TSimd.Broadcast(max);
        for (int lane = 0; lane < GroupKeys; lane += TSimd.Count)
        {
            TVector sum = default;
            for (int g = 0; g < groups; g++)
            {
                float* score = scores + (g * GroupKeys) + lane;
                TVector weight =
                    Exponential.Of<TVector, TSimd, TInt, TIntSimd>(TSimd.Subtract(TSimd.Load(score), offset));
                TSimd.Store(weight, score);
                sum = TSimd.Add(sum, weight);
                fetching.Fetch();
            }

            TSimd.Store(sum, lanes + lane);
        }

        return Sum(lanes);
    }

    /// <summary>
    /// The same for int8 values, whose scales are taken into the weights: these become 15-bit integers over the
    /// partition's largest.
    /// </summary>
    private static float ScaledWeights(
        float* scores, int groups, float max, byte** values, AttentionScratch scratch, int row, int stride,
        ref Fetching fetching)
    {
        float* lanes = stackalloc float[GroupKeys];
        TVector offset = TSimd.Broadcast(max);
        TVector most = default;
        for (int lane = 0; lane < GroupKeys; lane += TSimd.Count)
        {
            TVector sum = default;
            for (int g = 0; g < groups; g++)
            {
                float* score = scores + (g * GroupKeys) + lane;
                TVector x = TSimd.Subtract(TSimd.Load(score), offset);
                TVector weight = Exponential.Of<TVector, TSimd, TInt, TIntSimd>(x);
                sum = TSimd.Add(sum, weight);

                // A key that is not attended to may have any scale, an infinite one too.
                TVector scaled = TSimd.Multiply(weight, TSimd.Load((float*)values[g] + lane));
                scaled = TIntSimd.ZeroBelow(scaled, x, TSimd.Broadcast(Exponential.Least));
                most = TSimd.Max(most, scaled);
                TSimd.Store(scaled, score);
                fetching.Fetch();
            }

            TSimd.Store(sum, lanes + lane);
        }

        float largest = Largest(most);
        float inverse = largest >= Rounding.Least ? AttentionLayout.LargestWeight / largest : 0f;
        int width = groups * GroupKeys;
        for (int key = 0; key < width; key += TSimd.Count)
        {
            TIntSimd.Store(Round(TSimd.Load(scores + key), inverse), scratch.Integers + key);
        }

        TInner.Pack(scratch.Integers, width, 8, scratch.Weights + ((long)row * stride), KeysAtOnce);
        scratch.WeightScales[row] =
            new RowScale { Factor = inverse == 0f ? 0f : largest / AttentionLayout.LargestWeight };
        return Sum(lanes);
    }

    private static TInt Round(TVector value, float factor)
    {
        TVector shifted = TSimd.Add(TSimd.Multiply(value, TSimd.Broadcast(factor)), TSimd.Broadcast(Rounding.Magic));
        return TIntSimd.Subtract(TIntSimd.Bits(shifted), TIntSimd.Broadcast(Rounding.MagicBits));
    }

    private static float Largest(TVector vector)
    {
        float* lanes = stackalloc float[GroupKeys];
        TSimd.Store(vector, lanes);
        Vector128<float> most = Vector128.Load(lanes);
        for (int lane = 4; lane < TSimd.Count; lane += 4)
        {
            most = Vector128.Max(most, Vector128.Load(lanes + lane));
        }

        return Math.Max(Math.Max(most[0], most[1]), Math.Max(most[2], most[3]));
    }

    private static float Sum(float* lanes)
    {
        Vector128<float> sum = (Vector128.Load(lanes) + Vector128.Load(lanes + 4))
            + (Vector128.Load(lanes + 8) + Vector128.Load(lanes + 12));
        return (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }

    private static void ClearState(float* state, AttentionLayout layout, int rows)
    {
        for (int row = 0; row < rows; row++, state += layout.PartialStride)
        {
            new Span<float>(state, layout.PartialStride).Clear();
            state[0] = float.NegativeInfinity;
        }
    }

    /// <summary>Adds a partition's result to a row's: both are brought to the larger of the two maxima.</summary>
    private static void Merge(float* state, float* partial, AttentionLayout layout)
    {
        float max = Math.Max(state[0], partial[0]);
        if (float.IsNegativeInfinity(max))
        {
            return;
        }

        float before = Exponential.Of(state[0] - max);
        float added = Exponential.Of(partial[0] - max);
        state[0] = max;
        state[1] = MathF.FusedMultiplyAdd(partial[1], added, state[1] * before);
        for (int d = AttentionLayout.PartialHeader; d < layout.PartialStride; d += TSimd.Count)
        {
            // Zero is added so that a zero has one sign, whichever keys of weight zero were summed into it.
            TVector output = TSimd.Add(TSimd.Load(partial + d), default);
            TVector kept = TSimd.Multiply(TSimd.Load(state + d), TSimd.Broadcast(before));
            TSimd.Store(TSimd.MultiplyAdd(output, TSimd.Broadcast(added), kept), state + d);
        }
    }
}
