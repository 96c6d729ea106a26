using System.Numerics;

namespace Octavo.Text.Templates;

/// <summary>What is common to lists, tuples, strings, dicts and ranges.</summary>
internal static class Sequences
{
    /// <summary>Runs over a value; each element is a step of the budget.</summary>
    /// <exception cref="TemplateFault">It cannot be run over.</exception>
    public static IEnumerable<object?> Iterate(Renderer renderer, object? value)
    {
        IEnumerable<object?> items = TryIterate(value)
            ?? throw new TemplateFault($"'{Types.Name(value)}' object is not iterable");
        return Charged(renderer, items);
    }

    /// <summary>All elements of a value, as a new list.</summary>
    public static List<object?> ToList(Renderer renderer, object? value) => [.. Iterate(renderer, value)];

    /// <summary>How many elements a value has; null where it has none to count.</summary>
    public static long? Length(object? value) => value switch
    {
        string text => PythonText.Length(text),
        Markup markup => PythonText.Length(markup.Text),
        List<object?> list => list.Count,
        PyTuple tuple => tuple.Items.Count,
        PyDict dict => dict.Count,
        PyRange range => range.Count,
        DictView view => view.Count,
        Undefined => 0,
        _ => null,
    };

    public static bool Contains(Renderer renderer, object? container, object? item)
    {
        switch (container)
        {
            case string or Markup:
                string text = Printing.AsText(container)!;
                return Printing.AsText(item) is { } part
                    ? TextSearch.First(text, part) >= 0
                    : throw new TemplateFault(
                        $"'in <string>' requires string as left operand, not {Types.Name(item)}");
            case PyDict dict:
                return dict.TryGetValue(item, out _);
            default:
                return TryIterate(container) is { } items
                    ? Charged(renderer, items).Any(i => Comparison.AreEqual(i, item))
                    : throw new TemplateFault($"argument of type '{Types.Name(container)}' is not iterable");
        }
    }

    /// <summary>An element by an index, from the end where that is negative.</summary>
    public static bool TryElement(object? value, long index, out object? element)
    {
        element = null;
        long length = Length(value) ?? 0;
        index += index < 0 ? length : 0;
        if (index < 0 || index >= length || value is PyDict or DictView or Undefined)
        {
            return false;
        }

        element = value switch
        {
            List<object?> list => list[(int)index],
            PyTuple tuple => tuple.Items[(int)index],
            PyRange range => range.Start + (index * range.Step),
            Markup markup => new Markup(CodePointAt(markup.Text, (int)index)),
            _ => CodePointAt((string)value!, (int)index),
        };
        return true;
    }

    public static object? Slice(object? value, object? from, object? to, object? step)
    {
        if (value is Undefined undefined)
        {
            throw undefined.Fault();
        }

        if (value is not (string or Markup or List<object?> or PyTuple or PyRange))
        {
            throw new TemplateFault($"'{Types.Name(value)}' object cannot be sliced");
        }

        long length = Length(value)!.Value;
        long by = Bound(step) ?? 1;
        if (by == 0)
        {
            throw new TemplateFault("slice step cannot be zero");
        }

        // As Python's slice.indices: where to start, and how many.
        long lowest = by > 0 ? 0 : -1, highest = by > 0 ? length : length - 1;
        long first = Clamp(Bound(from), by > 0 ? lowest : highest);
        long last = Clamp(Bound(to), by > 0 ? highest : lowest);
        long count = by > 0 ? (last - first + by - 1) / by : (first - last - by - 1) / -by;
        return Take(value, first, last, by, (int)Math.Max(0, count));

        long Clamp(long? bound, long otherwise) => bound is not { } index ? otherwise
            : Math.Clamp(index < 0 ? index + length : index, lowest, highest);
    }

    private static object? Take(object? value, long first, long last, long step, int count)
    {
        switch (value)
        {
            case PyRange range:
                return new PyRange(
                    range.Start + (first * range.Step),
                    range.Start + (last * range.Step),
                    range.Step * step);
            case List<object?> list:
                return Items(list).ToList();
            case PyTuple tuple:
                return new PyTuple(Items(tuple.Items));
            default:
                string slice = OfText(Printing.AsText(value)!);
                return value is Markup ? new Markup(slice) : slice;
        }

        object?[] Items(IReadOnlyList<object?> items)
        {
            Renderer.ChargeEach(count);
            var result = new object?[count];
            for (int i = 0; i < count; i++)
            {
                result[i] = items[(int)(first + (i * step))];
            }

            return result;
        }

        string OfText(string text)
        {
            if (step == 1)
            {
                Renderer.ChargeReading(count);
                int start = PythonText.OffsetOf(text, (int)first);
                return Renderer.Part(text, start..(start + PythonText.OffsetOf(text[start..], count)));
            }

            string[] points = [.. PythonText.EachOf(text)];
            return string.Concat(Enumerable.Range(0, count).Select(i => points[(int)(first + (i * step))]));
        }
    }

    private static long? Bound(object? value) => value switch
    {
        null => null,
        long number => Math.Clamp(number, -(1L << 40), 1L << 40),
        bool flag => flag ? 1 : 0,
        BigInteger number => number.Sign < 0 ? -(1L << 40) : 1L << 40,
        Undefined undefined => throw undefined.Fault(),
        _ => throw new TemplateFault("slice indices must be integers or None"),
    };

    private static string CodePointAt(string text, int index)
    {
        int at = PythonText.OffsetOf(text, index);
        return PythonText.IsPair(text, at) ? text.Substring(at, 2) : PythonText.OfUnit(text[at]);
    }

    private static IEnumerable<object?>? TryIterate(object? value) => value switch
    {
        List<object?> list => list,
        PyTuple tuple => tuple.Items,
        PyDict dict => dict.Keys,
        string text => PythonText.CodePoints(text),
        Markup markup => PythonText.CodePoints(markup.Text),
        PyRange range => range.Items,
        DictView view => view.Items,
        PyIterator iterator => iterator.Items,
        Undefined => [],
        _ => null,
    };

    public static bool IsIterable(object? value) => TryIterate(value) is not null;

    private static IEnumerable<object?> Charged(Renderer renderer, IEnumerable<object?> items)
    {
        foreach (object? item in items)
        {
            renderer.Charge(1);
            yield return item;
        }
    }
}
