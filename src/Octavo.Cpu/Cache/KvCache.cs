using System.Numerics;
using Octavo.Cpu.Memory;
using Octavo.Engine;
using Octavo.Models;

namespace Octavo.Cpu.Cache;

/// <summary>
/// What E4M3 keys and values of a layer are multiplied with; ones where the cache has another format.
/// </summary>
/// <param name="Key">The scale of keys, above 0.</param>
/// <param name="Value">The scale of values, above 0.</param>
internal readonly record struct KvScale(float Key, float Value)
{
    /// <summary>None.</summary>
    public static KvScale One => new(1, 1);
}

/// <summary>Where a layer's keys and values stand in a block.</summary>
/// <param name="CacheGroup">Whose block tables say in which blocks.</param>
/// <param name="Layout">How a head's keys and values stand.</param>
/// <param name="NumKvHeads">Heads.</param>
/// <param name="KeyOffset">Bytes of a block's keys that belong to layers of the group before it.</param>
/// <param name="ValueOffset">The same of values.</param>
/// <param name="Scale">What E4M3 numbers are multiplied with.</param>
internal readonly record struct KvLayer(
    int CacheGroup, KvLayout Layout, int NumKvHeads, long KeyOffset, long ValueOffset, KvScale Scale);

/// <summary>Blocks of which a head's keys, or its values, follow one another.</summary>
/// <param name="Pointer">Those of the first block.</param>
/// <param name="First">The first block.</param>
/// <param name="End">The block behind the last one.</param>
/// <param name="BlockBytes">Bytes of a block's.</param>
internal readonly unsafe record struct KvStretch(nint Pointer, int First, int End, long BlockBytes)
{
    /// <summary>Where a block's begin; it is one of these.</summary>
    public byte* At(int block) => (byte*)Pointer + ((block - First) * BlockBytes);

    /// <summary>Whether a block is one of these.</summary>
    public bool Holds(int block) => block >= First && block < End;
}

/// <summary>
/// The memory of the paged key-value cache. Keys stand <c>[extent][layer][kvHead][block][group]</c>, and so do values,
/// in groups as <see cref="KvLayout"/> says; an extent is so many blocks that follow one another. A block has room for
/// the layers of any <see cref="CacheGroup"/>.
/// </summary>
/// <remarks>
/// A prompt's blocks mostly follow one another, too: what a head reads of them is stretches of an extent, the longer
/// the better. And what nobody has used yet is memory that nobody has touched: were there one extent as long as the
/// cache, the first token would touch a page, of 2 MiB where the system has such, for each head of each layer. So each
/// extent is as long as all before it, up to a limit. Where layers differ in their heads, an extent is one block.
/// </remarks>
internal sealed unsafe class KvCache : IDisposable
{
    /// <summary>A block is whole groups.</summary>
    public const int Lanes = KvLayout.GroupKeys;

    private const int TokensInFirstExtent = 512;
    private const int TokensInLongestExtent = 16384;

    private readonly DisposableStack _owned = new();
    private readonly NativeBuffer _keys;
    private readonly NativeBuffer _values;
    private readonly int _firstExtent;          // blocks, a power of 2
    private readonly int _longestExtent;
    private readonly long _blockKeys;           // bytes
    private readonly long _blockValues;
    private readonly KvLayer[] _layers;

    /// <summary>Reserves a cache.</summary>
    /// <param name="layers">The attentions that keep keys and values; none where a model has none.</param>
    /// <param name="format">How keys and values are stored.</param>
    /// <param name="numBlocks">Blocks.</param>
    /// <param name="blockSize">Tokens a block.</param>
    /// <param name="scales">Of E4M3, the scales by layer; null takes ones.</param>
    public KvCache(
        IReadOnlyList<AttentionSpec> layers, KvCacheFormat format, int numBlocks, int blockSize,
        IReadOnlyList<KvScale>? scales = null)
    {
        (Format, NumBlocks, BlockSize) = (format, numBlocks, blockSize);
        GroupsPerBlock = blockSize / KvLayout.GroupKeys;
        CacheGroups = CacheGroup.Of(layers);
        (_blockKeys, _blockValues, _layers) = Place(layers, format, blockSize, CacheGroups);
        for (int layer = 0; layer < layers.Count && format == KvCacheFormat.Fp8 && scales is not null; layer++)
        {
            _layers[layer] = _layers[layer] with { Scale = scales[layer] };
        }


        // Heads of different sizes divide an extent differently, and a block may be anybody's: then it is one block.
        bool alike = layers.Select(layer => (layer.NumKvHeads, layer.HeadDim)).Distinct().Count() <= 1;
        _firstExtent = alike ? BlocksOf(TokensInFirstExtent) : 1;
        _longestExtent = alike ? BlocksOf(TokensInLongestExtent) : 1;
        try
        {
            _keys = _owned.Add(new NativeBuffer(numBlocks * _blockKeys));
            _values = _owned.Add(new NativeBuffer(numBlocks * _blockValues));
            HugePages.Advise(_keys);
            HugePages.Advise(_values);
        }
        catch
        {
            Dispose();
            throw;
        }

        int BlocksOf(int tokens) => (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, tokens / blockSize));
    }

    /// <summary>What layers keep.</summary>
    public IReadOnlyList<CacheGroup> CacheGroups { get; }

    public KvCacheFormat Format { get; }

    public int NumBlocks { get; }

    public int BlockSize { get; }

    public int GroupsPerBlock { get; }

    /// <summary>Where a layer's keys and values stand.</summary>
    public ref readonly KvLayer Layer(int layer) => ref _layers[layer];

    /// <summary>Bytes of a block: of so many tokens' keys and values in the layers of the largest group.</summary>
    public static long BytesPerBlock(IReadOnlyList<AttentionSpec> layers, KvCacheFormat format, int blockSize)
    {
        (long keys, long values, _) = Place(layers, format, blockSize, CacheGroup.Of(layers));
        return keys + values;
    }

    /// <summary>A head's keys in a block and those around it: a block's groups follow one another.</summary>
    public KvStretch Keys(int layer, int block, int kvHead)
    {
        ref readonly KvLayer place = ref _layers[layer];
        long bytes = (long)GroupsPerBlock * place.Layout.KeyGroupBytes;
        return StretchOf(block, _keys.Pointer, _blockKeys, place.KeyOffset + (kvHead * bytes), bytes);
    }

    /// <summary>A head's values in a block and those around it.</summary>
    public KvStretch Values(int layer, int block, int kvHead)
    {
        ref readonly KvLayer place = ref _layers[layer];
        long bytes = (long)GroupsPerBlock * place.Layout.ValueGroupBytes;
        return StretchOf(block, _values.Pointer, _blockValues, place.ValueOffset + (kvHead * bytes), bytes);
    }

    /// <summary>
    /// Writes one token's keys and values, each <c>[kvHeads][headDim]</c>, to a slot. Tokens of one group may be
    /// written by different threads at once: nothing but the token's own bytes is touched.
    /// </summary>
    public void Write(int layer, int slot, float* keys, float* values)
    {
        ref readonly KvLayer place = ref _layers[layer];
        KvLayout layout = place.Layout;
        int block = slot / BlockSize;
        long within = slot % BlockSize / KvLayout.GroupKeys;
        int lane = slot % KvLayout.GroupKeys;
        for (int head = 0; head < place.NumKvHeads; head++)
        {
            KvWriter.Write(
                layout,
                lane,
                keys + ((long)head * layout.HeadDim),
                values + ((long)head * layout.HeadDim),
                Keys(layer, block, head).At(block) + (within * layout.KeyGroupBytes),
                Values(layer, block, head).At(block) + (within * layout.ValueGroupBytes),
                place.Scale);
        }
    }

    public void Dispose() => _owned.Dispose();

    // Within an extent a head's blocks follow one another.
    private KvStretch StretchOf(int block, byte* memory, long blockBytes, long before, long bytes)
    {
        (int first, int length) = (0, _firstExtent);
        if (block >= _firstExtent)
        {
            length = Math.Min(1 << BitOperations.Log2((uint)block), _longestExtent);
            first = block & -length;
        }

        length = Math.Min(length, NumBlocks - first);
        return new KvStretch((nint)(memory + (first * blockBytes) + (length * before)), first, first + length, bytes);
    }

    private static (long Keys, long Values, KvLayer[] Layers) Place(
        IReadOnlyList<AttentionSpec> layers, KvCacheFormat format, int blockSize, IReadOnlyList<CacheGroup> groups)
    {
        int groupsPerBlock = blockSize / KvLayout.GroupKeys;
        var places = new KvLayer[layers.Count];
        (long mostKeys, long mostValues) = (0, 0);
        foreach ((int number, CacheGroup group) in groups.Index())
        {
            (long keys, long values) = (0, 0);
            foreach (int layer in group.Layers)
            {
                AttentionSpec spec = layers[layer];
                var layout = new KvLayout(format, spec.HeadDim);
                places[layer] = new KvLayer(number, layout, spec.NumKvHeads, keys, values, KvScale.One);
                keys += (long)spec.NumKvHeads * groupsPerBlock * layout.KeyGroupBytes;
                values += (long)spec.NumKvHeads * groupsPerBlock * layout.ValueGroupBytes;
            }

            (mostKeys, mostValues) = (Math.Max(mostKeys, keys), Math.Max(mostValues, values));
        }

        return (mostKeys, mostValues, places);
    }
}
