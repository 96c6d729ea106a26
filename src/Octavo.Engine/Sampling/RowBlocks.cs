namespace Octavo.Engine.Sampling;

/// <summary>
/// A row of logits in blocks of 1,024, the last filled up with −∞. Whatever is summed over a row is summed block by
/// block, in order, so a result depends on the row alone.
/// </summary>
internal readonly ref struct RowBlocks
{
    /// <summary>
    /// Elements of a block: 4 KiB, which stay in the first-level cache while they are looked at twice.
    /// </summary>
    public const int Size = 1 << SizeBits;

    /// <summary>A token's block is its id without so many bits.</summary>
    public const int SizeBits = 10;

    private readonly ReadOnlySpan<float> _row;
    private readonly ReadOnlySpan<float> _last;

    /// <summary>Cuts a row.</summary>
    /// <param name="row">The logits, at least one.</param>
    /// <param name="last">Receives the last block where it is not a whole one, <c>[1024]</c>.</param>
    public RowBlocks(ReadOnlySpan<float> row, Span<float> last)
    {
        _row = row;
        _last = last;
        int rest = row.Length % Size;
        if (rest > 0)
        {
            row[^rest..].CopyTo(last);
            last[rest..Size].Fill(float.NegativeInfinity);
        }
    }

    /// <summary>Elements of the row.</summary>
    public int Length => _row.Length;

    /// <summary>Blocks of the row.</summary>
    public int Count => CountOf(_row.Length);

    /// <summary>The row as it is.</summary>
    public ReadOnlySpan<float> Row => _row;

    /// <summary>A block, <c>[1024]</c>.</summary>
    public ReadOnlySpan<float> this[int block] =>
        (block + 1) * Size <= _row.Length ? _row.Slice(block * Size, Size) : _last[..Size];

    /// <summary>Blocks of a row of so many elements.</summary>
    public static int CountOf(int length) => (length + Size - 1) / Size;
}
