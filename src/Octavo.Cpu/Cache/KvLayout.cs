using Octavo.Engine;
using Octavo.Models;

namespace Octavo.Cpu.Cache;

/// <summary>
/// How one head's keys and values of sixteen neighbouring tokens, a <em>group</em>, stand in memory. Both are lines of
/// 64 bytes, sixteen lanes of 32-bit words; a word holds one float32, two bfloat16, or four int8 or E4M3 of what a dot
/// product runs over, so that a kernel multiplies whole lines:
/// <code>
/// keys    [scales: 16 float32, int8 only] [keyDim / elements][16 keys][elements: dimensions]
/// values  [scales: 16 float32, int8 only] [16 / elements][valueDim][elements: keys]
/// </code>
/// Int8 keys are stored with 128 added (unsigned, as <c>vpdpbusd</c> takes its first operand), int8 values as they are.
/// E4M3 numbers are widened to bfloat16 before they are multiplied, in the layout <see cref="Read"/>.
/// </summary>
internal readonly record struct KvLayout
{
    /// <summary>Keys in a group.</summary>
    public const int GroupKeys = 16;

    /// <summary>Bytes of a line.</summary>
    public const int LineBytes = 64;

    public KvLayout(KvCacheFormat format, int headDim)
    {
        (Format, HeadDim) = (format, headDim);
        (KeyDim, ValueDim) = (Up(headDim, 4), Up(headDim, GroupKeys));
        Elements = format switch
        {
            KvCacheFormat.Float32 => 1,
            KvCacheFormat.BFloat16 => 2,
            KvCacheFormat.Int8 or KvCacheFormat.Fp8 => 4,
        };
        HeaderBytes = format == KvCacheFormat.Int8 ? LineBytes : 0;
    }

    public KvCacheFormat Format { get; }

    public int HeadDim { get; }

    /// <summary>Dimensions of a stored key: filled up with zeros to whole words.</summary>
    public int KeyDim { get; }

    /// <summary>Dimensions of a stored value: filled up with zeros to whole lines.</summary>
    public int ValueDim { get; }

    /// <summary>Numbers in a 32-bit word.</summary>
    public int Elements { get; }

    /// <summary>Bytes of the scales at the beginning of a group.</summary>
    public int HeaderBytes { get; }

    /// <summary>Lines of a key group, without the header.</summary>
    public int KeySteps => KeyDim / Elements;

    /// <summary>Rows of words of a value group, each <see cref="ValueRowBytes"/> long.</summary>
    public int ValueSteps => GroupKeys / Elements;

    public int ValueRowBytes => ValueDim * sizeof(int);

    public int KeyGroupBytes => HeaderBytes + (KeySteps * LineBytes);

    public int ValueGroupBytes => HeaderBytes + (ValueSteps * ValueRowBytes);

    /// <summary>The layout that kernels read: this one, or of E4M3 the one that it is widened to.</summary>
    public KvLayout Read => Format == KvCacheFormat.Fp8 ? new KvLayout(KvCacheFormat.BFloat16, HeadDim) : this;

    /// <summary>Bytes of a token's keys and values in some layers.</summary>
    public static long BytesPerToken(IEnumerable<AttentionSpec> layers, KvCacheFormat format) =>
        layers.Sum(layer =>
        {
            var layout = new KvLayout(format, layer.HeadDim);
            return (long)layer.NumKvHeads * (layout.KeyGroupBytes + layout.ValueGroupBytes);
        }) / GroupKeys;

    private static int Up(int value, int multiple) => (value + multiple - 1) / multiple * multiple;
}
