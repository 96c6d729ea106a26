using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Octavo.Text.Bpe;

/// <summary>
/// Remembers the ids of recent words. A word has two slots side by side, and a newcomer drives the older one out, so
/// the size is bounded and no text can fill it for good. An entry is immutable and one object, so readers need no lock
/// and wait for memory once.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longer words are rare and would only make the cache large.</summary>
    public const int MaxWordLength = 48;

    private const int Slots = 1 << 16;

    // An entry: its key's three numbers, the characters that these do not hold, two in an element, and the ids.
    private const int KeyElements = 5;

    private readonly int[]?[] _slots = new int[]?[Slots];

    /// <summary>Appends the ids of a word if they are known; the slot is where <see cref="Put"/> stores them.</summary>
    public bool TryAppend(ReadOnlySpan<char> word, List<int> ids, out int slot)
    {
        Key key = Key.Of(word);
        slot = key.Slot;
        int[]? entry = Volatile.Read(ref _slots[slot]);
        if (entry is null || !key.IsOf(entry, word))
        {
            entry = Volatile.Read(ref _slots[slot + 1]);
            if (entry is null || !key.IsOf(entry, word))
            {
                return false;
            }
        }

        int first = FirstId(word.Length);
        if (entry.Length == first + 1)
        {
            ids.Add(entry[first]);
        }
        else
        {
            ids.AddRange(entry.AsSpan(first));
        }

        return true;
    }

    /// <summary>Remembers a word.</summary>
    public void Put(int slot, ReadOnlySpan<char> word, ReadOnlySpan<int> ids)
    {
        int first = FirstId(word.Length);
        int[] entry = new int[first + ids.Length];
        Key.Of(word).CopyTo(entry);
        MiddleOf(word).CopyTo(MemoryMarshal.Cast<int, char>(entry.AsSpan(KeyElements)));
        ids.CopyTo(entry.AsSpan(first));
        Volatile.Write(ref _slots[slot + 1], Volatile.Read(ref _slots[slot]));
        Volatile.Write(ref _slots[slot], entry);
    }

    private static int FirstId(int length) =>
        KeyElements + ((Math.Max(length - (2 * Key.BlockChars), 0) + 1) / 2);

    private static ReadOnlySpan<char> MiddleOf(ReadOnlySpan<char> word) =>
        word.Length > 2 * Key.BlockChars ? word[Key.BlockChars..^Key.BlockChars] : [];

    /// <summary>
    /// A word's first and last four characters, which overlap in one of up to eight, and its length: most words are
    /// compared by three numbers.
    /// </summary>
    private readonly struct Key
    {
        public const int BlockChars = sizeof(ulong) / sizeof(char);

        // 2^64 over the golden ratio, and a prime of xxHash. Words that are made to collide only drive each other out,
        // so this needs no secret.
        private const ulong Multiplier = 0x9E3779B97F4A7C15UL;
        private const ulong OtherMultiplier = 0xC2B2AE3D27D4EB4FUL;

        private readonly ulong _first;
        private readonly ulong _last;
        private readonly int _length;

        private Key(ulong first, ulong last, int length) => (_first, _last, _length) = (first, last, length);

        public int Slot { get; private init; }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Key Of(ReadOnlySpan<char> word)
        {
            ulong first = 0;
            ulong last = 0;
            if (word.Length >= BlockChars)
            {
                first = Block(word);
                last = Block(word[^BlockChars..]);
            }
            else
            {
                foreach (char c in word)
                {
                    first = (first << 16) | c;
                }
            }

            ulong hash = (first * Multiplier) ^ ((last + (ulong)word.Length) * OtherMultiplier);
            foreach (char c in MiddleOf(word))
            {
                hash = (hash ^ c) * Multiplier;
            }

            hash = (hash ^ (hash >> 32)) * Multiplier;
            return new Key(first, last, word.Length) { Slot = (int)(hash >> 40) & (Slots - 2) };
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public bool IsOf(int[] entry, ReadOnlySpan<char> word) =>
            entry[0] == _length
            && MemoryMarshal.Read<ulong>(MemoryMarshal.AsBytes(entry.AsSpan(1, 2))) == _first
            && MemoryMarshal.Read<ulong>(MemoryMarshal.AsBytes(entry.AsSpan(3, 2))) == _last
            && (_length <= 2 * BlockChars || HasMiddle(entry, MiddleOf(word)));

        public void CopyTo(int[] entry)
        {
            entry[0] = _length;
            MemoryMarshal.Write(MemoryMarshal.AsBytes(entry.AsSpan(1, 2)), _first);
            MemoryMarshal.Write(MemoryMarshal.AsBytes(entry.AsSpan(3, 2)), _last);
        }

        private static bool HasMiddle(int[] entry, ReadOnlySpan<char> middle) =>
            MemoryMarshal.Cast<int, char>(entry.AsSpan(KeyElements))[..middle.Length].SequenceEqual(middle);

        private static ulong Block(ReadOnlySpan<char> chars) =>
            MemoryMarshal.Read<ulong>(MemoryMarshal.AsBytes(chars));
    }
}
