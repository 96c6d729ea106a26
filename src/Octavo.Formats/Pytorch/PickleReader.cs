using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Octavo.Formats.Pytorch;

/// <summary>
/// Reads a pickle that describes tensors, and nothing else: dicts, lists, tuples, numbers, strings, and the few classes
/// and functions of PyTorch's that stand for storages and tensors. Every other global is refused by its name; nothing
/// is ever called. Opcodes: Python's <c>pickletools</c>, protocols 0 to 5.
/// </summary>
internal sealed unsafe class PickleReader
{
    private const int MostOnStack = 1 << 24;

    private readonly byte* _start;
    private readonly long _length;
    private readonly List<object?> _stack = [];
    private readonly Stack<int> _marks = new();
    private readonly Dictionary<long, object?> _memo = [];

    /// <summary>Reads what lies in memory.</summary>
    /// <param name="start">The first byte.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="position">Where the pickle begins.</param>
    public PickleReader(byte* start, long length, long position = 0)
    {
        _start = start;
        (_length, Position) = (length, position);
    }

    /// <summary>Where the next byte stands: behind the pickle, once it is read.</summary>
    public long Position { get; private set; }

    /// <summary>The object of the pickle.</summary>
    /// <exception cref="FormatException">It is damaged, or is of more than tensors and plain data.</exception>
    public object? Read()
    {
        while (true)
        {
            byte opcode = Byte();
            if (opcode == '.')
            {
                return _marks.Count == 0 ? Pop() : throw Damaged("a mark is left");
            }

            Do((char)opcode);
            if (_stack.Count > MostOnStack)
            {
                throw Damaged("too many objects");
            }
        }
    }

    private void Do(char opcode)
    {
        switch (opcode)
        {
            case '\u0080':   // PROTO
                byte protocol = Byte();
                _ = protocol <= 5 ? 0 : throw Damaged($"protocol {protocol} is not known");
                break;
            case '\u0095':   // FRAME
                Take(8);
                break;
            case '(':
                _marks.Push(_stack.Count);
                break;
            case '0':
                _ = Pop();
                break;
            case '1':
                _ = PopMark();
                break;
            case '2':
                Push(Peek());
                break;
            case 'N':
                Push(null);
                break;
            case '\u0088' or '\u0089':
                Push(opcode == '\u0088');
                break;
            case 'K' or 'M' or 'J' or 'I' or 'L' or '\u008a' or '\u008b':
                Push(Integer(opcode));
                break;
            case 'G':
                Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8)));
                break;
            case 'F':
                Push(double.TryParse(Line(), CultureInfo.InvariantCulture, out double number)
                    ? number
                    : throw Damaged("a number is none"));
                break;
            case 'X' or '\u008c' or '\u008d' or 'U' or 'T' or 'V' or 'S':
                Push(Text(opcode));
                break;
            case 'B' or 'C' or '\u008e':
                Push(Take(Length(opcode switch { 'C' => 1, 'B' => 4, _ => 8 })).ToArray());
                break;
            case ']' or '}' or ')':
                Push(opcode switch
                {
                    ']' => new List<object?>(),
                    '}' => new Dictionary<object, object?>(),
                    _ => Nothing,
                });
                break;
            case 'l' or 't' or 'd':
                object?[] items = PopMark();
                Push(opcode switch { 'l' => items.ToList(), 't' => items, _ => SetItems([], items) });
                break;
            case '\u0085' or '\u0086' or '\u0087':
                Push(PopMany(opcode - '\u0084'));
                break;
            case 'a':
                object? item = Pop();
                Peek<List<object?>>("a list").Add(item);
                break;
            case 'e':
                object?[] more = PopMark();
                Peek<List<object?>>("a list").AddRange(more);
                break;
            case 's':
                object?[] pair = PopMany(2);
                SetItems(Peek<Dictionary<object, object?>>("a dict"), pair);
                break;
            case 'u':
                object?[] pairs = PopMark();
                SetItems(Peek<Dictionary<object, object?>>("a dict"), pairs);
                break;
            case 'q' or 'r' or 'p':
                _memo[opcode switch { 'q' => Byte(), 'r' => UInt32(), _ => Decimal(Line()) }] = Peek();
                break;
            case '\u0094':
                _memo[_memo.Count] = Peek();
                break;
            case 'h' or 'j' or 'g':
                long index = opcode switch { 'h' => Byte(), 'j' => UInt32(), _ => Decimal(Line()) };
                Push(_memo.TryGetValue(index, out object? known) ? known : throw Damaged("a reference to nothing"));
                break;
            case 'c':
                Push(TorchGlobal.Find(Line(), Line()));
                break;
            case '\u0093':
                object?[] names = PopMany(2);
                Push(names is [string module, string name]
                    ? TorchGlobal.Find(module, name)
                    : throw Damaged("a global without a name"));
                break;
            case 'i':
                Push(TorchGlobal.Find(Line(), Line()));
                object?[] arguments = PopMany(1);
                Push(Call(arguments[0], PopMark()));
                break;
            case 'R' or '\u0081':
                object?[] call = PopMany(2);
                Push(Call(call[0], call[1] as object?[] ?? throw Damaged("a call without arguments")));
                break;
            case 'b':
                // The state of an ordered dict holds attributes, none of them tensors.
                _ = Pop();
                _ = Peek<Dictionary<object, object?>>("a dict, the only thing that may have attributes");
                break;
            case 'Q':
                Push(TorchStorage.Of(Pop() as object?[] ?? throw Damaged("a persistent id that is no storage")));
                break;
            case 'P':
                throw Damaged("a persistent id that is a text: no storage");
            default:
                throw Damaged($"opcode 0x{(int)opcode:X2} is not one that tensors need");
        }
    }

    private static object?[] Nothing => [];

    private static object? Call(object? function, object?[] arguments) => function is TorchGlobal global
        ? global.Apply(arguments)
        : throw new FormatException("the pickle calls what is no function");

    private static Dictionary<object, object?> SetItems(Dictionary<object, object?> dict, object?[] pairs)
    {
        if (pairs.Length % 2 != 0)
        {
            throw new FormatException("the pickle has a key without a value");
        }

        for (int i = 0; i < pairs.Length; i += 2)
        {
            dict[pairs[i] ?? throw new FormatException("the pickle has a key that is None")] = pairs[i + 1];
        }

        return dict;
    }

    private object Integer(char opcode)
    {
        switch (opcode)
        {
            case 'K':
                return (long)Byte();
            case 'M':
                return (long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2));
            case 'J':
                return (long)BinaryPrimitives.ReadInt32LittleEndian(Take(4));
            case '\u008a' or '\u008b':
                const int LongestNumber = 64;
                int length = Length(opcode == '\u008a' ? 1 : 4);
                var value = new BigInteger(Take(length <= LongestNumber ? length : throw Damaged("a number too long")));
                return value >= long.MinValue && value <= long.MaxValue ? (long)value : value;
            default:
                string line = Line();
                return line is "00" or "01" && opcode == 'I' ? line == "01" : Decimal(line.TrimEnd('L'));
        }
    }

    private string Text(char opcode)
    {
        if (opcode is 'V' or 'S')
        {
            return Line().Trim('\'', '"');
        }

        int length = Length(opcode switch { '\u008c' or 'U' => 1, 'X' or 'T' => 4, _ => 8 });
        return Encoding.UTF8.GetString(Take(length));
    }

    private long Decimal(string line) =>
        long.TryParse(line, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value)
            ? value
            : throw Damaged("a number is none");

    private int Length(int bytes)
    {
        ulong length = 0;
        ReadOnlySpan<byte> number = Take(bytes);
        for (int i = bytes - 1; i >= 0; i--)
        {
            length = (length << 8) | number[i];
        }

        return length <= (ulong)Math.Min(int.MaxValue, _length - Position)
            ? (int)length
            : throw Damaged("it is cut short");
    }

    private string Line()
    {
        const int LongestLine = 1 << 16;
        long left = Math.Min(_length - Position, LongestLine);
        int length = new ReadOnlySpan<byte>(_start + Position, (int)left).IndexOf((byte)'\n');
        string line = Encoding.UTF8.GetString(Take(length >= 0 ? length : throw Damaged("it is cut short")));
        Position++;
        return line;
    }

    private byte Byte() => Take(1)[0];

    private long UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _length - Position)
        {
            throw Damaged("it is cut short");
        }

        var bytes = new ReadOnlySpan<byte>(_start + Position, count);
        Position += count;
        return bytes;
    }

    private void Push(object? value) => _stack.Add(value);

    private object? Peek() => _stack.Count > (_marks.TryPeek(out int mark) ? mark : 0)
        ? _stack[^1]
        : throw Damaged("it takes more than there is");

    private T Peek<T>(string expected)
        where T : class => Peek() as T ?? throw Damaged($"it changes what is not {expected}");

    private object? Pop()
    {
        object? top = Peek();
        _stack.RemoveAt(_stack.Count - 1);
        return top;
    }

    private object?[] PopMany(int count)
    {
        object?[] items = new object?[count];
        for (int i = count - 1; i >= 0; i--)
        {
            items[i] = Pop();
        }

        return items;
    }

    private object?[] PopMark()
    {
        int mark = _marks.TryPop(out int last) ? last : throw Damaged("a mark is missing");
        object?[] items = [.. _stack.Skip(mark)];
        _stack.RemoveRange(mark, _stack.Count - mark);
        return items;
    }

    private FormatException Damaged(string problem) => new($"the pickle is damaged at byte {Position}: {problem}");
}
