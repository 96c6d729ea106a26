using Octavo.Cpu.Simd;
using Octavo.Models;

namespace Octavo.Cpu.Kernels;

/// <summary>How keys and values are stored.</summary>
public enum KvCacheFormat
{
    /// <summary>Four bytes an element.</summary>
    Float32,

    /// <summary>Two bytes an element.</summary>
    BFloat16,
}

/// <summary>
/// The memory of the paged key-value cache. Keys of a block stand transposed, <c>[kvHead][headDim][blockSize]</c>, so
/// that one vector holds one dimension of many keys; values stand <c>[kvHead][blockSize][headDim]</c>, each filled up
/// to a multiple of 16.
/// </summary>
internal sealed unsafe class KvCache : IDisposable
{
    public const int Lanes = 16;

    private readonly NativeBuffer?[] _keys;     // by layer; null only while they are being made
    private readonly NativeBuffer?[] _values;

    public KvCache(DecoderSpec spec, KvCacheFormat format, int numBlocks, int blockSize)
    {
        (NumKvHeads, HeadDim, NumBlocks, BlockSize, Format) = (spec.NumKvHeads, spec.HeadDim, numBlocks, blockSize, format);
        ElementSize = SizeOf(format);
        _keys = new NativeBuffer?[spec.NumLayers];
        _values = new NativeBuffer?[spec.NumLayers];
        try
        {
            for (int layer = 0; layer < spec.NumLayers; layer++)
            {
                _keys[layer] = new NativeBuffer((long)numBlocks * NumKvHeads * KeyHeadBytes);
                _values[layer] = new NativeBuffer((long)numBlocks * NumKvHeads * ValueHeadBytes);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public int NumKvHeads { get; }

    public int HeadDim { get; }

    public int NumBlocks { get; }

    public int BlockSize { get; }

    public KvCacheFormat Format { get; }

    public int ElementSize { get; }

    public int PaddedHeadDim => Pad(HeadDim);

    /// <summary>Bytes of one head's keys in one block.</summary>
    public long KeyHeadBytes => (long)HeadDim * BlockSize * ElementSize;

    /// <summary>Bytes of one head's values in one block.</summary>
    public long ValueHeadBytes => (long)PaddedHeadDim * BlockSize * ElementSize;

    /// <summary>Bytes that one block takes over all layers.</summary>
    public static long BytesPerBlock(DecoderSpec spec, KvCacheFormat format, int blockSize) =>
        (long)spec.NumLayers * spec.NumKvHeads * (spec.HeadDim + Pad(spec.HeadDim)) * blockSize * SizeOf(format);

    public byte* Keys(int layer, int block, int kvHead) =>
        _keys[layer]!.Pointer + ((((long)block * NumKvHeads) + kvHead) * KeyHeadBytes);

    public byte* Values(int layer, int block, int kvHead) =>
        _values[layer]!.Pointer + ((((long)block * NumKvHeads) + kvHead) * ValueHeadBytes);

    /// <summary>Writes one token's keys and values, each <c>[kvHeads][headDim]</c>, to a slot.</summary>
    public void Write(int layer, int slot, float* keys, float* values)
    {
        if (Format == KvCacheFormat.Float32)
        {
            Write<Float32Element>(layer, slot, keys, values);
        }
        else
        {
            Write<BFloat16Element>(layer, slot, keys, values);
        }
    }

    public void Dispose()
    {
        foreach (NativeBuffer? buffer in _keys.Concat(_values))
        {
            buffer?.Dispose();
        }
    }

    private static int SizeOf(KvCacheFormat format) =>
        format == KvCacheFormat.Float32 ? Float32Element.Size : BFloat16Element.Size;

    private static int Pad(int headDim) => (headDim + Lanes - 1) / Lanes * Lanes;

    private void Write<TElement>(int layer, int slot, float* keys, float* values)
        where TElement : struct, IElement
    {
        int block = slot / BlockSize;
        int offset = slot % BlockSize;
        for (int head = 0; head < NumKvHeads; head++)
        {
            byte* k = Keys(layer, block, head) + ((long)offset * TElement.Size);
            byte* v = Values(layer, block, head) + ((long)offset * PaddedHeadDim * TElement.Size);
            for (int d = 0; d < HeadDim; d++)
            {
                TElement.Store(keys[(head * HeadDim) + d], k + ((long)d * BlockSize * TElement.Size));
                TElement.Store(values[(head * HeadDim) + d], v + ((long)d * TElement.Size));
            }
        }
    }
}
