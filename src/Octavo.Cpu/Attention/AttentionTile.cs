using Octavo.Cpu.Cache;
using Octavo.Cpu.Codegen;
using Octavo.Models;

namespace Octavo.Cpu.Attention;

/// <summary>What a layer does to scores between the dot product and the softmax.</summary>
internal readonly record struct AttentionRule
{
    /// <summary>Multiplies every dot product.</summary>
    public required float Scale { get; init; }

    /// <summary>A token attends to so many positions, its own included; 0 to all before it.</summary>
    public int Window { get; init; }

    /// <summary>Scores become <c>cap · tanh(score / cap)</c>; 0 leaves them as they are.</summary>
    public float SoftCap { get; init; }

    /// <summary>Whether scores get the key's distance times the head's slope (<see cref="AlibiPositions"/>).</summary>
    public bool Alibi { get; init; }
}

/// <summary>Where a partition's keys stand.</summary>
internal readonly ref struct PartitionKeys
{
    public ReadOnlySpan<int> BlockTable { get; init; }

    public int KvHead { get; init; }

    public int Partition { get; init; }

    /// <summary>Keys of the sequence, from position 0.</summary>
    public int NumKeys { get; init; }
}

/// <summary>
/// The rows of one call: neighbouring tokens of one sequence, all query heads of one key-value head; row <c>r</c> is
/// token <c>r / Group</c>.
/// </summary>
internal readonly unsafe ref struct AttentionTile
{
    public required KvCache Cache { get; init; }

    public int Layer { get; init; }

    /// <summary>How the layer's keys and values stand.</summary>
    public KvLayout Layout => Cache.Layer(Layer).Layout;

    public int KvHead { get; init; }

    public ReadOnlySpan<int> BlockTable { get; init; }

    /// <summary>The position of the first query token.</summary>
    public int FirstPosition { get; init; }

    public int NumTokens { get; init; }

    /// <summary>Query heads a key-value head.</summary>
    public int Group { get; init; }

    /// <summary>
    /// The first row's query; rows of a token follow each other, tokens are <see cref="QueryStride"/> apart.
    /// </summary>
    public float* Query { get; init; }

    public int QueryStride { get; init; }

    public float* Output { get; init; }

    public int OutputStride { get; init; }

    public AttentionRule Rule { get; init; }

    /// <summary>
    /// Added to a score, times the key's distance: one slope a query head of the group (ALiBi), or null.
    /// </summary>
    public float* Slopes { get; init; }

    /// <summary>A score without a value for each query head of the group, or null.</summary>
    public float* Sinks { get; init; }

    /// <summary>The partitions to compute; all of them where <see cref="Partials"/> is null.</summary>
    public int FirstPartition { get; init; }

    public int EndPartition { get; init; }

    /// <summary>
    /// Where partial results stand, <c>[partition][row][PartialStride]</c>; null where one call has all partitions.
    /// </summary>
    public float* Partials { get; init; }

    /// <summary>
    /// The partition whose keys this worker reads next, in another call; its table is empty where that is not known.
    /// </summary>
    public PartitionKeys Next { get; init; }

    public int Rows => NumTokens * Group;

    public int NumKeys => FirstPosition + NumTokens;

    public int NumPartitions => (NumKeys + AttentionLayout.PartitionKeys - 1) / AttentionLayout.PartitionKeys;

    public int Position(int row) => FirstPosition + (row / Group);

    /// <summary>The first position that a row attends to.</summary>
    public int FirstKey(int row) => Rule.Window > 0 ? Math.Max(0, Position(row) - Rule.Window + 1) : 0;

    public float* QueryRow(int row) =>
        Query + ((long)(row / Group) * QueryStride) + ((long)(row % Group) * Layout.HeadDim);

    public float* OutputRow(int row) =>
        Output + ((long)(row / Group) * OutputStride) + ((long)(row % Group) * Layout.HeadDim);
}
