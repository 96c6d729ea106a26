using System.Collections;

namespace Octavo.Server.Protocols;

/// <summary>
/// The fields that a kind of request knows: a line for each says how it is read. JSON null counts as absent.
/// </summary>
internal sealed class FieldTable<T> : IEnumerable<KeyValuePair<string, Action<T, JsonValue>>>
    where T : class
{
    private readonly Dictionary<string, Action<T, JsonValue>> _fields = new(StringComparer.Ordinal);

    public void Add(string name, Action<T, JsonValue> read) => _fields.Add(name, read);

    /// <summary>Takes over the fields that another table has and this one has not.</summary>
    public FieldTable<T> Include<TBase>(FieldTable<TBase> other)
        where TBase : class
    {
        foreach ((string name, Action<TBase, JsonValue> read) in other)
        {
            _fields.TryAdd(name, (target, value) => read((TBase)(object)target, value));
        }

        return this;
    }

    /// <summary>
    /// Reads an object's fields into <paramref name="target"/>; those without a line go to the notes.
    /// </summary>
    /// <param name="body">The object.</param>
    /// <param name="target">What is filled.</param>
    /// <param name="known">Hears of the fields that said something.</param>
    public void Read(JsonValue body, T target, Action<string>? known = null)
    {
        foreach ((string name, JsonValue value) in body.Members())
        {
            if (!_fields.TryGetValue(name, out Action<T, JsonValue>? read))
            {
                body.Notes?.AddUnknown(value.Path);
            }
            else if (!value.IsNull)
            {
                known?.Invoke(name);
                read(target, value);
            }
        }
    }

    public IEnumerator<KeyValuePair<string, Action<T, JsonValue>>> GetEnumerator() => _fields.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
