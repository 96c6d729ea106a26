using Octavo.Models;

namespace Octavo.Engine;

/// <summary>
/// Layers that keep the same tokens, so that one block holds so many tokens of all of them; the blocks of every group
/// come from one pool.
/// </summary>
/// <param name="Window">
/// How many positions, its own included, a token attends to; what lies before is given back. Null keeps all.
/// </param>
/// <param name="Layers">The layers, numbered among those that keep keys and values.</param>
/// <remarks>
/// A block of one group may become one of another, so all are as large. Where kinds of layers do not keep as much, each
/// kind is cut into groups, and the last one may leave a part of its blocks unused.
/// </remarks>
internal sealed record CacheGroup(int? Window, IReadOnlyList<int> Layers)
{
    /// <summary>The group of a model whose layers keep everything.</summary>
    public static readonly IReadOnlyList<CacheGroup> Everything = [new CacheGroup(null, [])];

    // More tables a sequence than this cost more than the memory that the last groups leave unused.
    private const int MostGroups = 16;

    /// <summary>The groups of layers, by the window and the width of each.</summary>
    /// <param name="layers">The layers that keep keys and values.</param>
    public static IReadOnlyList<CacheGroup> Of(IEnumerable<AttentionSpec> layers)
    {
        (int? Window, int Width, int[] Layers)[] kinds =
        [
            .. layers.Select((layer, number) => (Kind: (layer.Window, Width: layer.KeyWidth), number))
                .GroupBy(l => l.Kind, l => l.number)
                .OrderBy(kind => kind.Key.Window.HasValue).ThenBy(kind => kind.Key.Window)
                .ThenByDescending(kind => kind.Key.Width)
                .Select(kind => (kind.Key.Window, kind.Key.Width, kind.ToArray())),
        ];
        if (kinds.Length == 0)
        {
            return Everything;
        }

        int widest = kinds.Max(kind => kind.Width);
        int size = kinds.SelectMany(kind => Enumerable.Range(1, kind.Layers.Length).Select(n => n * kind.Width))
            .Where(size => size >= widest && NumGroups(size) <= Math.Max(MostGroups, kinds.Length))
            .MinBy(size => ((long)NumGroups(size) * size, -size));
        return
        [
            .. kinds.SelectMany(kind => kind.Layers.Chunk(size / kind.Width)
                .Select(part => new CacheGroup(kind.Window, part))),
        ];

        int NumGroups(int size) =>
            kinds.Sum(kind => (kind.Layers.Length + (size / kind.Width) - 1) / (size / kind.Width));
    }

    /// <summary>The first position that a token at a position, or one after it, attends to.</summary>
    public int FirstNeeded(int position) => Window is { } window ? Math.Max(0, position - window + 1) : 0;

    /// <summary>The most blocks that a sequence holds at once on its way to a length.</summary>
    /// <param name="numTokens">The length.</param>
    /// <param name="blockSize">Tokens a block.</param>
    /// <param name="chunk">The most tokens of it that a step computes.</param>
    public int MostBlocks(int numTokens, int blockSize, int chunk)
    {
        int all = (int)(((long)numTokens + blockSize - 1) / blockSize);
        return Window is { } window
            ? (int)Math.Min(all, (((long)window + Math.Min(chunk, numTokens) + blockSize - 3) / blockSize) + 1)
            : all;
    }
}

/// <summary>What several groups take together.</summary>
internal static class CacheGroups
{
    /// <summary>The most blocks that a sequence holds at once, of all groups.</summary>
    /// <inheritdoc cref="CacheGroup.MostBlocks"/>
    public static long MostBlocks(this IEnumerable<CacheGroup> groups, int numTokens, int blockSize, int chunk) =>
        groups.Sum(group => (long)group.MostBlocks(numTokens, blockSize, chunk));

    /// <summary>
    /// How many tokens so many blocks hold: of sequences of the greatest length, where not all layers keep everything.
    /// </summary>
    /// <param name="groups">The groups.</param>
    /// <param name="blocks">Blocks.</param>
    /// <param name="blockSize">Tokens a block.</param>
    /// <param name="maxModelLen">The greatest length.</param>
    /// <param name="chunk">The most tokens of a sequence that a step computes.</param>
    public static long TokensIn(
        this IReadOnlyList<CacheGroup> groups, long blocks, int blockSize, int maxModelLen, int chunk) =>
        groups is [{ Window: null }]
            ? blocks * blockSize
            : (long)((Int128)blocks * maxModelLen / groups.MostBlocks(maxModelLen, blockSize, chunk));

    /// <summary>The longest sequence that so many blocks hold, up to a length.</summary>
    /// <inheritdoc cref="TokensIn"/>
    public static int LongestIn(
        this IReadOnlyList<CacheGroup> groups, long blocks, int blockSize, int maxModelLen, int chunk)
    {
        (int holds, int exceeds) = (0, maxModelLen + 1);
        while (exceeds - holds > 1)
        {
            int middle = holds + ((exceeds - holds) / 2);
            bool fits = groups.MostBlocks(middle, blockSize, chunk) <= blocks;
            (holds, exceeds) = fits ? (middle, exceeds) : (holds, middle);
        }

        return holds;
    }
}
