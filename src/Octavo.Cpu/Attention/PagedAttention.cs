using Octavo.Cpu.Cache;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Threading;
using Octavo.Engine;
using Octavo.Models;

namespace Octavo.Cpu.Attention;

/// <summary>
/// The one entry of attention: cuts a step's queries into tiles and long tiles into ranges of keys, which the team
/// shares, and hands each to the kernels of this machine and cache format.
/// </summary>
internal sealed unsafe class PagedAttention : IDisposable
{
    // Several calls of an inner kernel share a tile's preparation.
    private const int MostRows = 24;

    // So many pieces a worker, that all end at about the same time.
    private const int ItemsPerWorker = 8;

    private readonly DisposableStack _owned = new();
    private readonly KvCache _cache;
    private readonly AttentionLayout _layout;
    private readonly int _group;
    private readonly int _numHeads;
    private readonly int _kvHeads;
    private readonly int _workers;
    private readonly int _tokensPerTile;
    private readonly NativeBuffer _slopes;                 // by query head, for layers with distances
    private readonly AttentionScratch[] _scratch;          // by worker
    private readonly NativeBuffer _partials;
    private readonly long _maxPartialRows;
    private readonly Tile[] _tiles;                        // the step's
    private readonly Item[] _items;
    private readonly int[] _unfinished;                    // by split tile and head: items that are not done
    private readonly AttentionPath _path;
    private int _numItems;

    /// <summary>Makes one for layers of one shape.</summary>
    /// <param name="shape">Whose heads the layers have.</param>
    /// <param name="cache">Their keys and values.</param>
    /// <param name="isa">The kernels to take.</param>
    /// <param name="workers">Members of the team.</param>
    /// <param name="maxModelLen">The longest sequence.</param>
    /// <param name="maxTokens">The most tokens of a step.</param>
    public PagedAttention(
        AttentionSpec shape, KvCache cache, InstructionSet isa, int workers, int maxModelLen, int maxTokens)
    {
        (_cache, _numHeads, _kvHeads, _workers) = (cache, shape.NumHeads, shape.NumKvHeads, workers);
        _group = _numHeads / _kvHeads;
        _layout = new AttentionLayout(new KvLayout(cache.Format, shape.HeadDim));
        _tokensPerTile = Math.Max(1, MostRows / _group);
        _scratch = new AttentionScratch[workers];
        int rows = _tokensPerTile * _group;

        // Room for the longest tile in all heads, and for what a team of this size may want to split beside it. Pages
        // that no step needs are never touched.
        long partitions = (maxModelLen + AttentionLayout.PartitionKeys - 1) / AttentionLayout.PartitionKeys;
        _maxPartialRows = (partitions * rows * _kvHeads) + (64L * workers * rows);
        _tiles = new Tile[maxTokens];
        _items = new Item[maxTokens + (2 * ItemsPerWorker * workers) + (int)partitions];
        _unfinished = new int[maxTokens * _kvHeads];
        _path = AttentionPath.For(isa, _layout);
        try
        {
            _slopes = _owned.Add(SlopesOf(_numHeads));
            for (int worker = 0; worker < workers; worker++)
            {
                _scratch[worker] = _owned.Add(new AttentionScratch(_layout, rows));
            }

            _partials = _owned.Add(NativeBuffer.OfFloats(_maxPartialRows * _layout.PartialStride));
        }
        catch
        {
            _owned.Dispose();
            throw;
        }
    }

    /// <summary>Cuts a step into tiles and these into items; once a step, before the team starts.</summary>
    /// <remarks>
    /// A tile is split by ranges of whole partitions when it alone would keep a worker busy for longer than an even
    /// share. Where the cuts are does not show in the result, only in who computes it.
    /// </remarks>
    public void Prepare(StepBatch batch)
    {
        int numTiles = 0;
        long keys = 0;
        ReadOnlySpan<int> starts = batch.QueryStarts;
        ReadOnlySpan<int> positions = batch.Positions;
        for (int s = 0; s < batch.NumSequences; s++)
        {
            for (int token = starts[s]; token < starts[s + 1]; token += _tokensPerTile)
            {
                int count = Math.Min(_tokensPerTile, starts[s + 1] - token);
                int length = positions[token] + count;
                _tiles[numTiles++] = new Tile(s, token, count, length);
                keys += (long)length * count;
            }
        }

        // An item is a range of one tile for one head; a share is what it should cost at most, in keys times tokens.
        long share = Math.Max(1, keys * _kvHeads / ((long)_workers * ItemsPerWorker));
        long used = 0;
        _numItems = 0;
        for (int t = 0; t < numTiles; t++)
        {
            ref Tile tile = ref _tiles[t];
            int partitions = (tile.NumKeys + AttentionLayout.PartitionKeys - 1) / AttentionLayout.PartitionKeys;
            int ranges = (int)Math.Clamp((long)tile.NumKeys * tile.NumTokens / share, 1, partitions);
            long wanted = (long)partitions * tile.NumTokens * _group * _kvHeads;
            if (ranges > 1)
            {
                // Of one item no more than a member's memory holds.
                ranges = Math.Max(
                    ranges, (partitions + AttentionScratch.MostPartitions - 1) / AttentionScratch.MostPartitions);
            }

            if (_workers == 1 || used + wanted > _maxPartialRows || _numItems + ranges + numTiles - t > _items.Length)
            {
                ranges = 1;
            }

            tile.PartialRow = ranges > 1 ? used : -1;
            used += ranges > 1 ? wanted : 0;
            for (int head = 0; head < _kvHeads && ranges > 1; head++)
            {
                _unfinished[(t * _kvHeads) + head] = ranges;
            }

            tile.Ranges = ranges;
            for (int range = 0; range < ranges; range++)
            {
                _items[_numItems++] = new Item(
                    t, (int)((long)partitions * range / ranges), (int)((long)partitions * (range + 1) / ranges));
            }
        }
    }

    /// <summary>Computes all items, as one phase of the team's work.</summary>
    /// <param name="member">A member of the team.</param>
    /// <param name="layer">The layer whose cache is read.</param>
    /// <param name="rule">What becomes of that layer's scores.</param>
    /// <param name="batch">The step.</param>
    /// <param name="query">Queries after position encoding, <c>[tokens][queryStride]</c>, heads one behind
    /// another.</param>
    /// <param name="queryStride">Floats between two tokens.</param>
    /// <param name="output">Results, <c>[tokens][heads · headDim]</c>.</param>
    /// <param name="sinks">A score without a value for each query head, or null.</param>
    public void Run(
        TeamMember member, int layer, AttentionRule rule, StepBatch batch, float* query, int queryStride,
        float* output, float* sinks = null) =>
        member.Share(
            _numItems * _kvHeads, 1,
            new Items(
                this,
                new Call(layer, _cache.Layer(layer).CacheGroup, rule, batch, query, queryStride, output, sinks)));

    public void Dispose() => _owned.Dispose();

    private PartitionKeys KeysOf(StepBatch batch, int cacheGroup, int index)
    {
        (Item item, Tile tile) = Find(index);
        return new PartitionKeys
        {
            BlockTable = batch.BlockTable(tile.Sequence, cacheGroup),
            KvHead = index / _numItems,
            Partition = item.First,
            NumKeys = tile.NumKeys,
        };
    }

    private (Item Item, Tile Tile) Find(int index)
    {
        Item item = _items[index % _numItems];
        return (item, _tiles[item.Tile]);
    }

    private static NativeBuffer SlopesOf(int heads)
    {
        NativeBuffer slopes = NativeBuffer.OfFloats(heads);
        for (int head = 0; head < heads; head++)
        {
            slopes.Floats[head] = (float)AlibiPositions.Slope(head, heads);
        }

        return slopes;
    }

    private static long PartialRows(Tile tile, int group) => (long)tile.NumTokens * group
        * ((tile.NumKeys + AttentionLayout.PartitionKeys - 1) / AttentionLayout.PartitionKeys);

    private readonly struct Call(
        int layer, int cacheGroup, AttentionRule rule, StepBatch batch, float* query, int queryStride, float* output,
        float* sinks)
    {
        public readonly int Layer = layer;
        public readonly int CacheGroup = cacheGroup;
        public readonly AttentionRule Rule = rule;
        public readonly StepBatch Batch = batch;
        public readonly float* Query = query;
        public readonly int QueryStride = queryStride;
        public readonly float* Output = output;
        public readonly float* Sinks = sinks;
    }

    /// <summary>
    /// A range of one tile for one head. All tiles of a head come before the next head: a prompt's tiles find its keys
    /// and values in the second-level cache.
    /// </summary>
    private readonly struct Items(PagedAttention attention, Call call) : ISharedItems
    {
        private readonly Call _call = call;

        public void Compute(int index, TeamMember member)
        {
            (Item item, Tile tile) = attention.Find(index);
            AttentionScratch scratch = attention._scratch[member.Number];
            AttentionTile work = Describe(index, item, tile, scratch);
            if (!member.IsLate)
            {
                attention._path.Run(work, scratch);
            }
        }

        public void Write(int index, TeamMember member)
        {
            (Item item, Tile tile) = attention.Find(index);
            AttentionScratch scratch = attention._scratch[member.Number];
            AttentionTile work = Describe(index, item, tile, scratch);
            if (tile.Ranges > 1 && !TryMerge(index, item, tile, ref work, scratch))
            {
                return;
            }

            attention._path.Write(work, scratch);
        }

        /// <summary>
        /// Hands a range's partial results over; whoever brings the tile's last ones merges them all.
        /// </summary>
        private bool TryMerge(int index, Item item, Tile tile, ref AttentionTile work, AttentionScratch scratch)
        {
            int stride = attention._layout.PartialStride;
            int kvHeads = attention._kvHeads;
            int kvHead = index / attention._numItems;
            float* partials = attention._partials.Floats
                + ((tile.PartialRow + (kvHead * PartialRows(tile, attention._group))) * stride);
            long first = (long)item.First * work.Rows * stride;
            long count = (long)(item.End - item.First) * work.Rows * stride;
            Buffer.MemoryCopy(
                scratch.Ranges, partials + first, count * sizeof(float), count * sizeof(float));
            ref int unfinished = ref attention._unfinished[(item.Tile * kvHeads) + kvHead];
            if (Interlocked.Decrement(ref unfinished) > 0)
            {
                return false;
            }

            Volatile.Write(ref unfinished, tile.Ranges);        // for the next layer
            work = work with { Partials = partials };
            attention._path.Merge(work, scratch);
            return true;
        }

        private AttentionTile Describe(int index, Item item, Tile tile, AttentionScratch scratch)
        {
            int kvHead = index / attention._numItems;
            int headDim = attention._layout.Kv.HeadDim;
            long firstHead = (long)kvHead * attention._group * headDim;
            int outputStride = attention._numHeads * headDim;
            int rows = tile.NumTokens * attention._group;
            return new AttentionTile
            {
                Cache = attention._cache,
                Layer = _call.Layer,
                KvHead = kvHead,
                BlockTable = _call.Batch.BlockTable(tile.Sequence, _call.CacheGroup),
                FirstPosition = tile.NumKeys - tile.NumTokens,
                NumTokens = tile.NumTokens,
                Group = attention._group,
                Query = _call.Query + ((long)tile.Token * _call.QueryStride) + firstHead,
                QueryStride = _call.QueryStride,
                Output = _call.Output + ((long)tile.Token * outputStride) + firstHead,
                OutputStride = outputStride,
                Rule = _call.Rule,
                Slopes = _call.Rule.Alibi ? attention._slopes.Floats + ((long)kvHead * attention._group) : null,
                Sinks = _call.Sinks == null ? null : _call.Sinks + ((long)kvHead * attention._group),
                FirstPartition = item.First,
                EndPartition = item.End,

                // Who decodes fetches the first keys of what is usually next for it with its last ones.
                Next = tile.NumTokens == 1 && index + 1 < attention._numItems * attention._kvHeads
                    ? attention.KeysOf(_call.Batch, _call.CacheGroup, index + 1)
                    : default,
                Partials = tile.Ranges == 1
                    ? null
                    : scratch.Ranges - ((long)item.First * rows * attention._layout.PartialStride),
            };
        }
    }

    private record struct Tile(int Sequence, int Token, int NumTokens, int NumKeys)
    {
        /// <summary>Ranges of keys that it is cut into.</summary>
        public int Ranges { get; set; }

        /// <summary>Where its partial results begin, in rows.</summary>
        public long PartialRow { get; set; }
    }

    private readonly record struct Item(int Tile, int First, int End);
}
