using System.Numerics;

namespace Octavo.Text.Models;

/// <summary>
/// Which pieces of a vocabulary begin at a place in a text: a trie over UTF-16 units, its edges in one open-addressed
/// hash table, at most half full.
/// </summary>
internal sealed class PieceTrie
{
    public const int Root = 0;
    private const int NoValue = -1;
    private const long Empty = -1;

    // Key: (node, unit). Value: the child. The values of nodes stand in a list of their own.
    private readonly long[] _keys;
    private readonly int[] _children;
    private readonly int[] _values;
    private readonly int _shift;

    public PieceTrie(IReadOnlyCollection<KeyValuePair<string, int>> pieces)
    {
        int edges = pieces.Sum(p => p.Key.Length);
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, edges * 2));
        _keys = new long[size];
        _children = new int[size];
        _shift = 64 - BitOperations.Log2((uint)size);
        Array.Fill(_keys, Empty);
        List<int> values = [NoValue];
        foreach ((string piece, int value) in pieces)
        {
            int node = Root;
            foreach (char c in piece)
            {
                long key = ((long)node << 16) | c;
                int slot = SlotOf(key);
                if (_keys[slot] == Empty)
                {
                    (_keys[slot], _children[slot]) = (key, values.Count);
                    values.Add(NoValue);
                }

                node = _children[slot];
            }

            values[node] = value;
        }

        _values = [.. values];
    }

    /// <summary>
    /// Steps from a node along a unit of text. False where no piece goes on; else <paramref name="value"/> is that of
    /// the piece that ends here, or negative where none does.
    /// </summary>
    public bool TryStep(ref int node, char unit, out int value)
    {
        long key = ((long)node << 16) | unit;
        int slot = SlotOf(key);
        if (_keys[slot] == Empty)
        {
            value = NoValue;
            return false;
        }

        node = _children[slot];
        value = _values[node];
        return true;
    }

    /// <summary>The longest piece that <paramref name="text"/> begins with: its length, or 0.</summary>
    public int Longest(ReadOnlySpan<char> text, out int value)
    {
        int length = 0;
        int node = Root;
        value = NoValue;
        for (int i = 0; i < text.Length && TryStep(ref node, text[i], out int found); i++)
        {
            if (found >= 0)
            {
                (length, value) = (i + 1, found);
            }
        }

        return length;
    }

    private int SlotOf(long key)
    {
        int slot = (int)(((ulong)key * 0x9E3779B97F4A7C15UL) >> _shift);
        while (_keys[slot] != Empty && _keys[slot] != key)
        {
            slot = (slot + 1) & (_keys.Length - 1);
        }

        return slot;
    }
}
