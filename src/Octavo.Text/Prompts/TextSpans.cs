namespace Octavo.Text.Prompts;

/// <summary>Parts of a text, in order, no two of them touching.</summary>
internal sealed class TextSpans
{
    private readonly List<(int Start, int End)> _spans = [];

    public bool IsEmpty => _spans.Count == 0;

    /// <summary>The parts, in UTF-16 units.</summary>
    public IReadOnlyList<(int Start, int End)> All => _spans;

    /// <summary>All of a text of a length.</summary>
    public static TextSpans Whole(int length)
    {
        TextSpans whole = new();
        whole.Add(0, length);
        return whole;
    }

    /// <summary>Adds a part that lies behind all others.</summary>
    public void Add(int start, int end)
    {
        if (start == end)
        {
            return;
        }

        if (_spans.Count > 0 && _spans[^1].End == start)
        {
            _spans[^1] = (_spans[^1].Start, end);
        }
        else
        {
            _spans.Add((start, end));
        }
    }

    /// <summary>Adds what another has between two places of its text.</summary>
    /// <param name="other">The parts of the other text.</param>
    /// <param name="start">Where to begin in it.</param>
    /// <param name="end">Where to end in it.</param>
    /// <param name="at">Where <paramref name="start"/> comes to lie, behind all of these.</param>
    public void AddFrom(TextSpans other, int start, int end, int at)
    {
        for (int i = other.IndexEndingAfter(start); i < other._spans.Count && other._spans[i].Start < end; i++)
        {
            (int from, int to) = other._spans[i];
            Add(at + Math.Max(from, start) - start, at + Math.Min(to, end) - start);
        }
    }

    /// <summary>Whether one part holds all from a place to another.</summary>
    public bool Contain(int start, int end)
    {
        int i = IndexEndingAfter(start);
        return i < _spans.Count && _spans[i].Start <= start && end <= _spans[i].End;
    }

    /// <summary>The first place at or behind another that lies in a part; the text's end or later for none.</summary>
    public int NextFrom(int start)
    {
        int i = IndexEndingAfter(start);
        return i == _spans.Count ? int.MaxValue : Math.Max(start, _spans[i].Start);
    }

    // The first part that ends behind a place.
    private int IndexEndingAfter(int place)
    {
        int low = 0, high = _spans.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = _spans[middle].End > place ? (low, middle) : (middle + 1, high);
        }

        return low;
    }
}
