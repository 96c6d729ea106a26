namespace Octavo.Text.Bpe;

/// <summary>Fills a <see cref="MergeTable"/> from merges as files spell them, in the order of their ranks.</summary>
/// <param name="vocab">The tokens and their ids.</param>
/// <param name="count">How many merges there will be.</param>
/// <param name="prefix">The length of what continues a word; within a merged token it is left out.</param>
internal sealed class MergeTableBuilder(Dictionary<string, int> vocab, int count, int prefix = 0)
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids =
        vocab.GetAlternateLookup<ReadOnlySpan<char>>();

    private char[] _joined = new char[256];
    private int _rank;

    public MergeTable Table { get; } = new(count);

    /// <summary>Splits <c>left right</c>.</summary>
    public static bool TrySplit(string text, out string left, out string right)
    {
        int space = text.IndexOf(' ');
        bool valid = space > 0 && space == text.LastIndexOf(' ') && space < text.Length - 1;
        (left, right) = valid ? (text[..space], text[(space + 1)..]) : ("", "");
        return valid;
    }

    /// <summary>Adds the next merge; false where one of its tokens or their union is not in the vocabulary.</summary>
    public bool TryAdd(string left, string right)
    {
        int length = left.Length + right.Length;
        if (length > _joined.Length)
        {
            _joined = new char[length * 2];
        }

        if (prefix > right.Length)
        {
            return false;
        }

        left.CopyTo(_joined);
        right.AsSpan(prefix).CopyTo(_joined.AsSpan(left.Length));
        if (!_ids.TryGetValue(left, out int leftId)
            || !_ids.TryGetValue(right, out int rightId)
            || !_ids.TryGetValue(_joined.AsSpan(0, length - prefix), out int mergedId))
        {
            return false;
        }

        Table.Set(leftId, rightId, _rank, mergedId);
        _rank++;
        return true;
    }
}
