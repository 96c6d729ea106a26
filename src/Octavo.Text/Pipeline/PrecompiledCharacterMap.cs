using System.Buffers.Binary;
using System.Text;

namespace Octavo.Text.Pipeline;

/// <summary>
/// sentencepiece's compiled normalization rules: the length of a double-array trie in bytes, the trie (darts-clone's
/// layout), then the replacements, each ended by a zero byte. A trie's value is an offset among them.
/// </summary>
internal sealed class PrecompiledCharacterMap
{
    private readonly uint[] _units;
    private readonly byte[] _replacements;

    private PrecompiledCharacterMap(uint[] units, byte[] replacements) =>
        (_units, _replacements) = (units, replacements);

    /// <summary>Reads the rules, or throws <see cref="FormatException"/>.</summary>
    public static PrecompiledCharacterMap Read(ReadOnlySpan<byte> blob)
    {
        uint size = blob.Length < 4 ? uint.MaxValue : BinaryPrimitives.ReadUInt32LittleEndian(blob);
        if (size > blob.Length - 4 || size % 4 != 0 || size == 0)
        {
            throw new FormatException("the character map is cut short");
        }

        uint[] units = new uint[size / 4];
        for (int i = 0; i < units.Length; i++)
        {
            units[i] = BinaryPrimitives.ReadUInt32LittleEndian(blob[(4 + (i * 4))..]);
        }

        return new PrecompiledCharacterMap(units, blob[(4 + (int)size)..].ToArray());
    }

    /// <summary>
    /// What the text's beginning is replaced by, null where no rule applies, and how many bytes of it that takes.
    /// </summary>
    /// <param name="utf8">The text.</param>
    /// <param name="longest">Whether the longest rule applies; else the shortest.</param>
    /// <param name="length">The bytes that are replaced.</param>
    public string? Find(ReadOnlySpan<byte> utf8, bool longest, out int length)
    {
        length = 0;
        int value = -1;
        uint position = OffsetOf(_units[0]);
        for (int i = 0; i < utf8.Length; i++)
        {
            position ^= utf8[i];
            if (position >= _units.Length || (_units[position] & 0x800000FF) != utf8[i])
            {
                break;
            }

            uint unit = _units[position];
            position ^= OffsetOf(unit);
            if (((unit >> 8) & 1) != 0 && position < _units.Length)
            {
                (length, value) = (i + 1, (int)(_units[position] & 0x7FFFFFFF));
                if (!longest)
                {
                    break;
                }
            }
        }

        return value < 0 || value > _replacements.Length ? null : ReplacementAt(value);
    }

    private string ReplacementAt(int offset)
    {
        ReadOnlySpan<byte> rest = _replacements.AsSpan(offset);
        int end = rest.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
    }

    private static uint OffsetOf(uint unit) => (unit >> 10) << (int)((unit & (1u << 9)) >> 6);
}
