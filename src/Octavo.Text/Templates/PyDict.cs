using System.Numerics;

namespace Octavo.Text.Templates;

/// <summary>Python's dict: in the order of insertion; keys that are equal are one, so 1, 1.0 and True.</summary>
internal sealed class PyDict
{
    private readonly OrderedDictionary<Key, object?> _entries = [];

    public PyDict()
    {
    }

    public PyDict(IEnumerable<(object? Key, object? Value)> entries)
    {
        foreach ((object? key, object? value) in entries)
        {
            this[key] = value;
        }
    }

    public int Count => _entries.Count;

    public IEnumerable<object?> Keys => _entries.Select(e => e.Key.Value);

    public IEnumerable<object?> Values => _entries.Values;

    public IEnumerable<(object? Key, object? Value)> Entries => _entries.Select(e => (e.Key.Value, e.Value));

    public object? this[object? key]
    {
        set => _entries[new Key(key)] = value;
    }

    public bool TryGetValue(object? key, out object? value) => _entries.TryGetValue(new Key(key), out value);

    public void Remove(object? key) => _entries.Remove(new Key(key));

    /// <summary>Whether a value can be a key; lists and dicts cannot.</summary>
    public static bool CanBeKey(object? value) => value switch
    {
        List<object?> or PyDict => false,
        PyTuple tuple => CanBeKeys(tuple.Items),
        _ => true,
    };

    private static bool CanBeKeys(IReadOnlyList<object?> items)
    {
        Renderer.EnsureStack();
        return items.All(CanBeKey);
    }

    private readonly struct Key : IEquatable<Key>
    {
        public Key(object? value) => Value = value is string || CanBeKey(value)
            ? value
            : throw new TemplateFault($"unhashable type: '{Types.Name(value)}'");

        public object? Value { get; }

        public bool Equals(Key other) => Value is string text && other.Value is string otherText
            ? Comparison.AreEqual(text, otherText)
            : Comparison.AreEqual(Value, other.Value);

        public override bool Equals(object? obj) => obj is Key other && Equals(other);

        public override int GetHashCode() => HashOf(Value);

        private static int HashOfText(string text)
        {
            Renderer.ChargeReading(text.Length);
            return StringComparer.Ordinal.GetHashCode(text);
        }

        private static int HashOf(object? value) => value switch
        {
            PyTuple tuple => HashOfItems(tuple),
            null => 0,
            bool flag => flag ? 1.0.GetHashCode() : 0.0.GetHashCode(),
            long number => ((double)number).GetHashCode(),
            BigInteger number => ((double)number).GetHashCode(),
            string text => HashOfText(text),
            Markup markup => HashOfText(markup.Text),
            Undefined => 1,
            _ => value.GetHashCode(),
        };

        private static int HashOfItems(PyTuple tuple)
        {
            Renderer.EnsureStack();
            return tuple.Items.Aggregate(17, (hash, item) => HashCode.Combine(hash, HashOf(item)));
        }
    }
}
