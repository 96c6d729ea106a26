using Octavo.Cpu.Cache;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Memory;
using Octavo.Engine;
using Octavo.Models;

namespace Octavo.Cpu.Attention;

/// <summary>
/// The one entry of attention: cuts a step's queries into tiles and long tiles into ranges of keys, lets the team take
/// them one by one, and hands each to the kernels of this machine and cache format.
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
    private int _next;

    public PagedAttention(int numHeads, KvCache cache, InstructionSet isa, int workers, int maxModelLen, int maxTokens)
    {
        (_cache, _group, _numHeads, _workers) = (cache, numHeads / cache.NumKvHeads, numHeads, workers);
        _layout = new AttentionLayout(cache.Layout);
        _tokensPerTile = Math.Max(1, MostRows / _group);
        _scratch = new AttentionScratch[workers];
        int rows = _tokensPerTile * _group;

        // Room for the longest tile in all heads, and for what a team of this size may want to split beside it. Pages
        // that no step needs are never touched.
        long partitions = (maxModelLen + AttentionLayout.PartitionKeys - 1) / AttentionLayout.PartitionKeys;
        _maxPartialRows = (partitions * rows * cache.NumKvHeads) + (64L * workers * rows);
        _tiles = new Tile[maxTokens];
        _items = new Item[maxTokens + (2 * ItemsPerWorker * workers) + (int)partitions];
        _unfinished = new int[maxTokens * cache.NumKvHeads];
        _path = AttentionPath.For(isa, _layout);
        try
        {
            _slopes = _owned.Add(SlopesOf(numHeads));
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
        long share = Math.Max(1, keys * _cache.NumKvHeads / ((long)_workers * ItemsPerWorker));
        long used = 0;
        _numItems = 0;
        for (int t = 0; t < numTiles; t++)
        {
            ref Tile tile = ref _tiles[t];
            int partitions = (tile.NumKeys + AttentionLayout.PartitionKeys - 1) / AttentionLayout.PartitionKeys;
            int ranges = (int)Math.Clamp((long)tile.NumKeys * tile.NumTokens / share, 1, partitions);
            long wanted = (long)partitions * tile.NumTokens * _group * _cache.NumKvHeads;
            if (_workers == 1 || used + wanted > _maxPartialRows || _numItems + ranges + numTiles - t > _items.Length)
            {
                ranges = 1;
            }

            tile.PartialRow = ranges > 1 ? used : -1;
            used += ranges > 1 ? wanted : 0;
            for (int head = 0; head < _cache.NumKvHeads && ranges > 1; head++)
            {
                _unfinished[(t * _cache.NumKvHeads) + head] = ranges;
            }

            tile.Ranges = ranges;
            for (int range = 0; range < ranges; range++)
            {
                _items[_numItems++] = new Item(
                    t, (int)((long)partitions * range / ranges), (int)((long)partitions * (range + 1) / ranges));
            }
        }

        _next = 0;
    }

    /// <summary>Makes the items available again for the next layer; one worker, between two barriers.</summary>
    public void Rewind() => Volatile.Write(ref _next, 0);

    /// <summary>Computes items until none is left. Which worker takes which does not show in the result.</summary>
    /// <param name="worker">This worker's number.</param>
    /// <param name="layer">The layer whose cache is read.</param>
    /// <param name="rule">What becomes of that layer's scores.</param>
    /// <param name="batch">The step.</param>
    /// <param name="query">Queries after position encoding, <c>[tokens][queryStride]</c>, heads one behind
    /// another.</param>
    /// <param name="queryStride">Floats between two tokens.</param>
    /// <param name="output">Results, <c>[tokens][heads · headDim]</c>.</param>
    public void Run(
        int worker, int layer, AttentionRule rule, StepBatch batch, float* query, int queryStride, float* output)
    {
        int kvHeads = _cache.NumKvHeads;
        int headDim = _layout.Kv.HeadDim;
        int outputStride = _numHeads * headDim;
        int all = _numItems * kvHeads;
        for (int next = Take(); next < all;)
        {
            // Who decodes takes its next item early and fetches that one's first keys with this one's last. Not near
            // the end: there an item that waits for its owner might have been somebody else's.
            int following = next < all - (4 * _workers) && _tiles[_items[next % _numItems].Tile].NumTokens == 1
                ? Take()
                : -1;
            // All tiles of a head before the next head: a prompt's tiles find its keys and values in the second-level
            // cache.
            Item item = _items[next % _numItems];
            int kvHead = next / _numItems;
            Tile tile = _tiles[item.Tile];
            long firstHead = (long)kvHead * _group * headDim;
            long partialRows = (long)tile.NumTokens * _group
                * ((tile.NumKeys + AttentionLayout.PartitionKeys - 1) / AttentionLayout.PartitionKeys);
            var work = new AttentionTile
            {
                Cache = _cache,
                Layer = layer,
                KvHead = kvHead,
                BlockTable = batch.BlockTable(tile.Sequence),
                FirstPosition = tile.NumKeys - tile.NumTokens,
                NumTokens = tile.NumTokens,
                Group = _group,
                Query = query + ((long)tile.Token * queryStride) + firstHead,
                QueryStride = queryStride,
                Output = output + ((long)tile.Token * outputStride) + firstHead,
                OutputStride = outputStride,
                Rule = rule,
                Slopes = rule.Alibi ? _slopes.Floats + ((long)kvHead * _group) : null,
                FirstPartition = item.First,
                EndPartition = item.End,
                Next = following >= 0 && following < all ? KeysOf(batch, following) : default,
                Partials = tile.Ranges == 1
                    ? null
                    : _partials.Floats + ((tile.PartialRow + (kvHead * partialRows)) * _layout.PartialStride),
            };
            _path.Run(work, _scratch[worker]);
            next = following >= 0 ? following : Take();
            if (tile.Ranges > 1 && Interlocked.Decrement(ref _unfinished[(item.Tile * kvHeads) + kvHead]) == 0)
            {
                // The last of the ranges merges them all, and makes the count ready for the next layer.
                Volatile.Write(ref _unfinished[(item.Tile * kvHeads) + kvHead], tile.Ranges);
                _path.Finish(work, _scratch[worker]);
            }
        }
    }

    private int Take() => Interlocked.Increment(ref _next) - 1;

    private PartitionKeys KeysOf(StepBatch batch, int next)
    {
        Item item = _items[next % _numItems];
        Tile tile = _tiles[item.Tile];
        return new PartitionKeys
        {
            BlockTable = batch.BlockTable(tile.Sequence),
            KvHead = next / _numItems,
            Partition = item.First,
            NumKeys = tile.NumKeys,
        };
    }

    public void Dispose() => _owned.Dispose();

    private static NativeBuffer SlopesOf(int heads)
    {
        NativeBuffer slopes = NativeBuffer.OfFloats(heads);
        for (int head = 0; head < heads; head++)
        {
            slopes.Floats[head] = (float)AlibiPositions.Slope(head, heads);
        }

        return slopes;
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
