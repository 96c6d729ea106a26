using Octavo.Engine.Sequences;

namespace Octavo.Engine;

/// <summary>
/// One step's work for a runner, flat: tokens of all sequences one behind the other. Sequence <c>s</c> has tokens
/// <c>QueryStarts[s] … QueryStarts[s + 1] − 1</c>, which attend to positions <c>0 … SequenceLengths[s] − 1</c>, whose
/// keys and values stand in the blocks of <c>BlockTable(s, g)</c> for the layers of cache group <c>g</c>. Reused from
/// step to step without allocation.
/// </summary>
/// <param name="blockSize">Tokens a block.</param>
/// <param name="numGroups">Cache groups.</param>
internal sealed class StepBatch(int blockSize, int numGroups = 1)
{
    private int[] _tokenIds = new int[64];
    private int[] _positions = new int[64];
    private int[] _queryStarts = new int[16];
    private int[] _sequenceLengths = new int[16];
    private int[] _tableStarts = new int[16];              // in the tables of each group
    private readonly int[][] _slots = [.. Enumerable.Range(0, numGroups).Select(_ => new int[64])];
    private readonly int[][] _blockTables = [.. Enumerable.Range(0, numGroups).Select(_ => new int[64])];
    private int[] _logitsRows = new int[16];
    private int _numLogitsRows;

    /// <summary>Makes one for a runner.</summary>
    public StepBatch(IModelRunner runner)
        : this(runner.BlockSize, runner.CacheGroups.Count)
    {
    }

    /// <summary>Tokens a block.</summary>
    public int BlockSize { get; } = blockSize;

    /// <summary>Cache groups.</summary>
    public int NumGroups => _slots.Length;

    /// <summary>Tokens in the batch.</summary>
    public int NumTokens { get; private set; }

    /// <summary>Sequences in the batch.</summary>
    public int NumSequences { get; private set; }

    /// <summary>Token ids, <c>[NumTokens]</c>.</summary>
    public ReadOnlySpan<int> TokenIds => _tokenIds.AsSpan(0, NumTokens);

    /// <summary>Each token's position in its sequence, <c>[NumTokens]</c>.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, NumTokens);

    /// <summary>Where each sequence's tokens begin, and the end, <c>[NumSequences + 1]</c>.</summary>
    public ReadOnlySpan<int> QueryStarts => _queryStarts.AsSpan(0, NumSequences + 1);

    /// <summary>Each sequence's length after this step, <c>[NumSequences]</c>.</summary>
    public ReadOnlySpan<int> SequenceLengths => _sequenceLengths.AsSpan(0, NumSequences);

    /// <summary>The tokens whose logits are wanted, ascending.</summary>
    public ReadOnlySpan<int> LogitsRows => _logitsRows.AsSpan(0, _numLogitsRows);

    /// <summary>
    /// Where each token's key and value go in a group's layers: block · block size + offset, <c>[NumTokens]</c>.
    /// </summary>
    public ReadOnlySpan<int> SlotMapping(int group) => _slots[group].AsSpan(0, NumTokens);

    /// <summary>
    /// A sequence's blocks in a group's layers: position / block size → block; negative where no token of the batch
    /// attends to any of its positions.
    /// </summary>
    public ReadOnlySpan<int> BlockTable(int sequence, int group) => _blockTables[group].AsSpan(
        _tableStarts[sequence], _tableStarts[sequence + 1] - _tableStarts[sequence]);

    /// <summary>Empties the batch.</summary>
    public void Clear() => (NumTokens, NumSequences, _numLogitsRows) = (0, 0, 0);

    /// <summary>Adds the next tokens of a sequence.</summary>
    /// <param name="tokenIds">The tokens to compute, at least one.</param>
    /// <param name="firstPosition">The position of the first of them; all before it are computed already.</param>
    /// <param name="blockTables">
    /// The sequence's blocks, enough for its last position; of several groups as many each, one behind the other.
    /// </param>
    /// <param name="numLogitsRows">So many of the last tokens get logits.</param>
    /// <returns>The index of the first of their rows.</returns>
    public int AddSequence(
        ReadOnlySpan<int> tokenIds, int firstPosition, ReadOnlySpan<int> blockTables, int numLogitsRows)
    {
        int blocks = blockTables.Length / NumGroups;
        for (int group = 0; group < NumGroups; group++)
        {
            blockTables.Slice(group * blocks, blocks).CopyTo(MakeTable(group, blocks));
        }

        return Add(tokenIds, firstPosition, blocks, numLogitsRows);
    }

    /// <summary>Adds the next tokens of a sequence.</summary>
    /// <param name="tokenIds">The tokens to compute, at least one.</param>
    /// <param name="firstPosition">The position of the first of them; all before it are computed already.</param>
    /// <param name="blockTables">The sequence's blocks by group, as many of each.</param>
    /// <param name="numLogitsRows">So many of the last tokens get logits.</param>
    /// <returns>The index of the first of their rows.</returns>
    public int AddSequence(
        ReadOnlySpan<int> tokenIds, int firstPosition, List<BlockTable> blockTables, int numLogitsRows)
    {
        int blocks = blockTables[0].Blocks.Count;
        for (int group = 0; group < NumGroups; group++)
        {
            blockTables[group].Blocks.CopyTo(MakeTable(group, blocks));
        }

        return Add(tokenIds, firstPosition, blocks, numLogitsRows);
    }

    private Span<int> MakeTable(int group, int blocks)
    {
        int start = NumSequences == 0 ? 0 : _tableStarts[NumSequences];
        Reserve(ref _blockTables[group], start + blocks);
        return _blockTables[group].AsSpan(start, blocks);
    }

    private int Add(ReadOnlySpan<int> tokenIds, int firstPosition, int blocks, int numLogitsRows)
    {
        int first = NumTokens;
        int end = first + tokenIds.Length;
        Reserve(ref _tokenIds, end);
        Reserve(ref _positions, end);
        tokenIds.CopyTo(_tokenIds.AsSpan(first));
        for (int i = 0; i < tokenIds.Length; i++)
        {
            _positions[first + i] = firstPosition + i;
        }

        int s = NumSequences++;
        Reserve(ref _queryStarts, s + 2);
        Reserve(ref _sequenceLengths, s + 1);
        Reserve(ref _tableStarts, s + 2);
        int table = s == 0 ? 0 : _tableStarts[s];
        (_tableStarts[s], _tableStarts[s + 1]) = (table, table + blocks);
        (_queryStarts[s], _queryStarts[s + 1]) = (first, end);
        _sequenceLengths[s] = firstPosition + tokenIds.Length;
        NumTokens = end;
        for (int group = 0; group < NumGroups; group++)
        {
            Reserve(ref _slots[group], end);
            ReadOnlySpan<int> blockTable = BlockTable(s, group);
            for (int i = first; i < end; i++)
            {
                _slots[group][i] = (blockTable[_positions[i] / BlockSize] * BlockSize) + (_positions[i] % BlockSize);
            }
        }

        int row = _numLogitsRows;
        Reserve(ref _logitsRows, row + numLogitsRows);
        for (int i = end - numLogitsRows; i < end; i++)
        {
            _logitsRows[_numLogitsRows++] = i;
        }

        return row;
    }

    private static void Reserve(ref int[] array, int length)
    {
        if (array.Length < length)
        {
            Array.Resize(ref array, Math.Max(length, array.Length * 2));
        }
    }
}
