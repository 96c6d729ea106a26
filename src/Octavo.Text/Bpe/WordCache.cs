namespace Octavo.Text.Bpe;

/// <summary>
/// Remembers the ids of recent words. Direct-mapped: a word has one slot, and a newcomer takes it over, so the size is
/// bounded and no text can fill it for good. Entries are immutable and a slot is one reference, so readers need no
/// lock.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longer words are rare and would only make the cache large.</summary>
    public const int MaxWordLength = 48;

    private const int Slots = 1 << 15;

    private readonly Entry?[] _slots = new Entry?[Slots];

    /// <summary>
    /// The ids of <paramref name="word"/>, or null. The slot is where <see cref="Put"/> would store it.
    /// </summary>
    public int[]? Find(ReadOnlySpan<char> word, out int slot)
    {
        slot = string.GetHashCode(word, StringComparison.Ordinal) & (Slots - 1);
        Entry? entry = Volatile.Read(ref _slots[slot]);
        return entry is not null && word.SequenceEqual(entry.Word) ? entry.Ids : null;
    }

    public void Put(int slot, ReadOnlySpan<char> word, ReadOnlySpan<int> ids) =>
        Volatile.Write(ref _slots[slot], new Entry(word.ToString(), ids.ToArray()));

    private sealed record Entry(string Word, int[] Ids);
}
