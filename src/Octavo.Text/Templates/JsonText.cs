using System.Globalization;
using System.Numerics;
using System.Text;

namespace Octavo.Text.Templates;

/// <summary>What Python's json.dumps writes.</summary>
internal sealed record JsonText
{
    private readonly StringBuilder _text = new();

    public bool Ascii { get; init; }

    /// <summary>What each level is indented by; null for all on one line.</summary>
    public string? Indent { get; init; }

    public string ItemSeparator { get; init; } = ", ";

    public string KeySeparator { get; init; } = ": ";

    public bool SortKeys { get; init; }

    public string Write(Renderer renderer, object? value)
    {
        Append(renderer, value, 0);
        return _text.ToString();
    }

    private void Append(Renderer renderer, object? value, int depth)
    {
        Renderer.EnsureStack();
        if (_text.Length > Renderer.MaxOutput)
        {
            throw new TemplateFault($"tojson writes more than {Renderer.MaxOutput} characters");
        }

        switch (value)
        {
            case string or Markup:
                AppendQuoted(Printing.AsText(value)!);
                break;
            case List<object?> list:
                AppendAll(renderer, '[', list, ']', depth, (item, at) => Append(renderer, item, at));
                break;
            case PyTuple tuple:
                AppendAll(renderer, '[', tuple.Items, ']', depth, (item, at) => Append(renderer, item, at));
                break;
            case PyDict dict:
                AppendAll(renderer, '{', Entries(dict), '}', depth, (entry, at) =>
                {
                    AppendQuoted(Key(entry.Key));
                    _text.Append(KeySeparator);
                    Append(renderer, entry.Value, at);
                });
                break;
            default:
                _text.Append(Plain(value) ?? throw new TemplateFault(
                    $"Object of type {Types.Name(value)} is not JSON serializable"));
                break;
        }
    }

    private static string? Plain(object? value) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        long or BigInteger => Printing.Repr(value),
        double number => double.IsNaN(number) ? "NaN"
            : double.IsInfinity(number) ? number > 0 ? "Infinity" : "-Infinity"
            : PythonNumber.Print(number),
        _ => null,
    };

    private static string Key(object? key) => Printing.AsText(key)
        ?? (key is PyTuple ? null : Plain(key))
        ?? throw new TemplateFault($"keys must be str, int, float, bool or None, not {Types.Name(key)}");

    private IEnumerable<(object? Key, object? Value)> Entries(PyDict dict) => SortKeys
        ? StableSort.Sort([.. dict.Entries], (a, b) => Comparison.Order(a.Key, b.Key, "<") ?? 0)
        : dict.Entries;

    private void AppendAll<T>(
        Renderer renderer, char open, IEnumerable<T> items, char close, int depth, Action<T, int> append)
    {
        _text.Append(open);
        bool any = false;
        foreach (T item in items)
        {
            _text.Append(any ? ItemSeparator : string.Empty);
            NewLine(renderer, depth + 1);
            append(item, depth + 1);
            any = true;
        }

        if (any)
        {
            NewLine(renderer, depth);
        }

        _text.Append(close);
    }

    private void NewLine(Renderer renderer, int depth)
    {
        if (Indent is not null)
        {
            renderer.ChargeText((long)Indent.Length * depth);
            _text.Append('\n');
            for (int i = 0; i < depth; i++)
            {
                _text.Append(Indent);
            }
        }
    }

    private void AppendQuoted(string text)
    {
        Renderer.ChargePrinting(text.Length);
        _text.Append('"');
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => _text.Append("\\\""),
                '\\' => _text.Append("\\\\"),
                '\n' => _text.Append("\\n"),
                '\r' => _text.Append("\\r"),
                '\t' => _text.Append("\\t"),
                '\f' => _text.Append("\\f"),
                '\b' => _text.Append("\\b"),
                < ' ' => _text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                > '~' when Ascii => _text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => _text.Append(c),
            };
        }

        _text.Append('"');
    }
}
