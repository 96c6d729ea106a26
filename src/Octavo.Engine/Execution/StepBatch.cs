namespace Octavo.Engine;

/// <summary>
/// One step's work for a runner, flat: tokens of all sequences one behind the other. Sequence <c>s</c> has tokens
/// <c>QueryStarts[s] … QueryStarts[s + 1] − 1</c>, which attend to positions <c>0 … SequenceLengths[s] − 1</c>, whose
/// keys and values stand in the blocks of <c>BlockTable(s)</c>. Reused from step to step without allocation.
/// </summary>
/// <param name="blockSize">Tokens a block.</param>
internal sealed class StepBatch(int blockSize)
{
    private int[] _tokenIds = new int[64];
    private int[] _positions = new int[64];
    private int[] _slots = new int[64];
    private int[] _queryStarts = new int[16];
    private int[] _sequenceLengths = new int[16];
    private int[] _tableStarts = new int[16];
    private int[] _blockTables = new int[64];
    private int[] _logitsRows = new int[16];
    private int _numLogitsRows;

    /// <summary>Tokens a block.</summary>
    public int BlockSize { get; } = blockSize;

    /// <summary>Tokens in the batch.</summary>
    public int NumTokens { get; private set; }

    /// <summary>Sequences in the batch.</summary>
    public int NumSequences { get; private set; }

    /// <summary>Token ids, <c>[NumTokens]</c>.</summary>
    public ReadOnlySpan<int> TokenIds => _tokenIds.AsSpan(0, NumTokens);

    /// <summary>Each token's position in its sequence, <c>[NumTokens]</c>.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, NumTokens);

    /// <summary>Where each token's key and value go: block · block size + offset, <c>[NumTokens]</c>.</summary>
    public ReadOnlySpan<int> SlotMapping => _slots.AsSpan(0, NumTokens);

    /// <summary>Where each sequence's tokens begin, and the end, <c>[NumSequences + 1]</c>.</summary>
    public ReadOnlySpan<int> QueryStarts => _queryStarts.AsSpan(0, NumSequences + 1);

    /// <summary>Each sequence's length after this step, <c>[NumSequences]</c>.</summary>
    public ReadOnlySpan<int> SequenceLengths => _sequenceLengths.AsSpan(0, NumSequences);

    /// <summary>The tokens whose logits are wanted, ascending.</summary>
    public ReadOnlySpan<int> LogitsRows => _logitsRows.AsSpan(0, _numLogitsRows);

    /// <summary>A sequence's blocks: position / block size → block.</summary>
    public ReadOnlySpan<int> BlockTable(int sequence) =>
        _blockTables.AsSpan(_tableStarts[sequence], _tableStarts[sequence + 1] - _tableStarts[sequence]);

    /// <summary>Empties the batch.</summary>
    public void Clear() => (NumTokens, NumSequences, _numLogitsRows) = (0, 0, 0);

    /// <summary>Adds the next tokens of a sequence.</summary>
    /// <param name="tokenIds">The tokens to compute, at least one.</param>
    /// <param name="firstPosition">The position of the first of them; all before it are computed already.</param>
    /// <param name="blockTable">The sequence's blocks, enough for its last position.</param>
    /// <param name="numLogitsRows">So many of the last tokens get logits.</param>
    /// <returns>The index of the first of their rows.</returns>
    public int AddSequence(
        ReadOnlySpan<int> tokenIds, int firstPosition, ReadOnlySpan<int> blockTable, int numLogitsRows)
    {
        int first = NumTokens;
        int end = first + tokenIds.Length;
        Reserve(ref _tokenIds, end);
        Reserve(ref _positions, end);
        Reserve(ref _slots, end);
        tokenIds.CopyTo(_tokenIds.AsSpan(first));
        for (int i = 0; i < tokenIds.Length; i++)
        {
            int position = firstPosition + i;
            _positions[first + i] = position;
            _slots[first + i] = (blockTable[position / BlockSize] * BlockSize) + (position % BlockSize);
        }

        int s = NumSequences++;
        Reserve(ref _queryStarts, s + 2);
        Reserve(ref _sequenceLengths, s + 1);
        Reserve(ref _tableStarts, s + 2);
        int table = s == 0 ? 0 : _tableStarts[s];
        Reserve(ref _blockTables, table + blockTable.Length);
        blockTable.CopyTo(_blockTables.AsSpan(table));
        (_tableStarts[s], _tableStarts[s + 1]) = (table, table + blockTable.Length);
        (_queryStarts[s], _queryStarts[s + 1]) = (first, end);
        _sequenceLengths[s] = firstPosition + tokenIds.Length;
        NumTokens = end;

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
