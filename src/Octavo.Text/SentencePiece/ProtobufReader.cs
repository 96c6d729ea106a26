using System.Buffers.Binary;

namespace Octavo.Text.SentencePiece;

/// <summary>
/// The fields of one protobuf message, in order (<see href="https://protobuf.dev/programming-guides/encoding/"/>).
/// Malformed bytes throw <see cref="FormatException"/>.
/// </summary>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message)
{
    private ReadOnlySpan<byte> _rest = message;
    private ulong _number;
    private ReadOnlySpan<byte> _bytes;

    /// <summary>The number of the current field.</summary>
    public int Field { get; private set; }

    /// <summary>Goes to the next field; false at the end.</summary>
    public bool Next()
    {
        if (_rest.IsEmpty)
        {
            return false;
        }

        ulong tag = Varint();
        Field = tag >> 3 is > 0 and <= int.MaxValue and ulong field
            ? (int)field
            : throw new FormatException("a field has no valid number");
        _number = 0;
        _bytes = default;
        switch (tag & 7)
        {
            case 0:
                _number = Varint();
                break;
            case 1:
                _bytes = Take(8);
                break;
            case 2:
                _bytes = Take(Varint());
                break;
            case 5:
                _bytes = Take(4);
                break;
            default:
                throw new FormatException(FormattableString.Invariant($"field {Field} is of an unknown wire type"));
        }

        return true;
    }

    public readonly int Int32 => (int)_number;

    public readonly bool Bool => _number != 0;

    public readonly ReadOnlySpan<byte> Bytes => _bytes;

    public readonly float Single => _bytes.Length == 4
        ? BinaryPrimitives.ReadSingleLittleEndian(_bytes)
        : throw new FormatException(FormattableString.Invariant($"field {Field} is not a 32-bit number"));

    private ulong Varint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte next = Take(1)[0];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw new FormatException("a number has too many bytes");
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)_rest.Length)
        {
            throw new FormatException("it is cut short");
        }

        ReadOnlySpan<byte> taken = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return taken;
    }
}
