
namespace Octavo.Text.Templates;

/// <content>Filters of lists and dicts.</content>
internal static partial class Filters
{
    private static (string Names, FilterFunction Function)[] SequenceFilters =>
    [
        ("length count", new(new("length"), (v, _) => Sequences.Length(v)
            ?? throw new TemplateFault($"object of type '{Types.Name(v)}' has no len()"))),
        ("list", new(new("list"), (v, a) => Sequences.ToList(a.Renderer, v))),
        ("first", new(new("first"), (v, a) => First(a.Renderer, v))),
        ("last", new(new("last"), (v, a) => Last(a.Renderer, v))),
        ("join", new(new("join", "d?", "attribute?"), Join)),
        ("reverse", new(new("reverse"), (v, a) => Reverse(a.Renderer, v))),
        ("sum", new(new("sum", "attribute?", "start?"), Sum)),
        ("min", new(new("min", "case_sensitive?", "attribute?"), (v, a) => Extreme(v, a, -1))),
        ("max", new(new("max", "case_sensitive?", "attribute?"), (v, a) => Extreme(v, a, 1))),
        ("sort", new(new("sort", "reverse?", "case_sensitive?", "attribute?"), Sort)),
        ("unique", new(new("unique", "case_sensitive?", "attribute?"), Unique)),
        ("groupby", new(new("groupby", "attribute", "default?", "case_sensitive?"), GroupBy)),
        ("batch", new(new("batch", "linecount", "fill_with?"), Batch)),
        ("slice", new(new("slice", "slices", "fill_with?"), Slice)),
        ("items", new(new("items"), (v, _) => new PyIterator("do_items", v switch
        {
            Undefined => [],
            PyDict dict => CollectionMethods.Items(dict),
            _ => throw new TemplateFault("Can only get item pairs from a mapping."),
        }))),
        ("dictsort", new(new("dictsort", "case_sensitive?", "by?", "reverse?"), DictSort)),
    ];

    // By path: a.b, a.0; several with commas between.
    private static Func<object?, object?> AttributeOf(object? attribute, object? otherwise = null)
    {
        object?[] parts = attribute switch
        {
            null => [],
            string or Markup => [.. Printing.AsText(attribute)!.Split('.').Select(part =>
                part.Length > 0 && part.All(char.IsAsciiDigit) ? PythonNumber.ParseInteger(part, 10) : part)],
            _ => [attribute],
        };
        return item =>
        {
            Renderer.ChargeEach(2);
            foreach (object? part in parts)
            {
                item = Members.Element(item, part);
                item = item is Undefined && otherwise is not null ? otherwise : item;
            }

            return item;
        };
    }

    private static object? IgnoreCase(object? value) =>
        Printing.AsText(value) is { } text ? PythonText.Lower(text) : value;

    private static Func<object?, object?> KeyOf(object? attribute, bool caseSensitive)
    {
        Func<object?, object?> get = AttributeOf(attribute);
        return caseSensitive ? get : item => IgnoreCase(get(item));
    }

    private static object? First(Renderer renderer, object? value)
    {
        foreach (object? item in Sequences.Iterate(renderer, value))
        {
            return item;
        }

        return new Undefined(null, hint: "No first item, sequence was empty.");
    }

    private static object? Last(Renderer renderer, object? value)
    {
        List<object?> items = value is PyIterator
            ? throw new TemplateFault($"'{Types.Name(value)}' object is not reversible")
            : Sequences.ToList(renderer, value);
        return items.Count > 0 ? items[^1] : new Undefined(null, hint: "No last item, sequence was empty.");
    }

    private static object? Join(object? value, BoundArguments arguments)
    {
        Func<object?, object?> get = AttributeOf(arguments.Value(1));
        List<object?> items = [.. Sequences.Iterate(arguments.Renderer, value).Select(get)];
        string separator = Printing.Str(arguments.Value(0, string.Empty));
        TextJoiner joined = arguments.Renderer.Joined();
        for (int i = 0; i < items.Count; i++)
        {
            string text = Printing.Str(items[i]);
            arguments.Renderer.ChargeText(text.Length + separator.Length);
            joined.Append(i > 0 ? separator : string.Empty).Append(text);
        }

        return joined.ToString();
    }

    private static object? Reverse(Renderer renderer, object? value)
    {
        if (Printing.AsText(value) is { } text)
        {
            return Like(value, string.Concat(PythonText.EachOf(text).Reverse()));
        }

        if (!Sequences.IsIterable(value))
        {
            throw new TemplateFault("argument must be iterable");
        }

        List<object?> items = Sequences.ToList(renderer, value);
        items.Reverse();
        return value is PyIterator ? items : new PyIterator("reversed", items);
    }

    private static object? Sum(object? value, BoundArguments arguments)
    {
        Func<object?, object?> get = AttributeOf(arguments.Value(0));
        object? total = arguments.Value(1, 0L);
        foreach (object? item in Sequences.Iterate(arguments.Renderer, value))
        {
            total = Arithmetic.Add(arguments.Renderer, total, get(item));
        }

        return total;
    }

    private static object? Extreme(object? value, BoundArguments arguments, int sign)
    {
        Func<object?, object?> key = KeyOf(arguments.Value(1), arguments.Flag(0));
        object? best = new Undefined(null, hint: "No aggregated item, sequence was empty.");
        object? bestKey = null;
        bool any = false;
        foreach (object? item in Sequences.Iterate(arguments.Renderer, value))
        {
            object? itemKey = key(item);
            if (!any || Comparison.Order(itemKey, bestKey, sign > 0 ? ">" : "<") * sign > 0)
            {
                (best, bestKey, any) = (item, itemKey, true);
            }
        }

        return best;
    }

    private static List<object?> Sorted(
        Renderer renderer, IEnumerable<object?> items, Func<object?, object?> key, bool reverse)
    {
        (object? Item, object? Key)[] keyed = [.. items.Select(i => (i, key(i)))];
        renderer.Charge(keyed.Length * (1 + (int)Math.Log2(keyed.Length + 1)));

        // As Python's: in reverse, equals keep their order too.
        int sign = reverse ? -1 : 1;
        StableSort.Sort(keyed, (a, b) => sign * (Comparison.Order(a.Key, b.Key, "<") ?? 0));
        return [.. keyed.Select(k => k.Item)];
    }

    private static object? Sort(object? value, BoundArguments arguments)
    {
        bool caseSensitive = arguments.Flag(1);
        Func<object?, object?>[] keys = arguments.Value(2) is { } attribute && Printing.AsText(attribute) is { } names
            ? [.. names.Split(',').Select(name => KeyOf(name, caseSensitive))]
            : [KeyOf(arguments.Value(2), caseSensitive)];
        return Sorted(
            arguments.Renderer,
            Sequences.Iterate(arguments.Renderer, value),
            item => new PyTuple(Array.ConvertAll(keys, key => key(item))),
            arguments.Flag(0));
    }

    private static object? Unique(object? value, BoundArguments arguments)
    {
        Func<object?, object?> key = KeyOf(arguments.Value(1), arguments.Flag(0));
        return new PyIterator("sync_do_unique", Run(Sequences.Iterate(arguments.Renderer, value)));

        IEnumerable<object?> Run(IEnumerable<object?> items)
        {
            PyDict seen = new();
            foreach (object? item in items)
            {
                object? itemKey = key(item);
                if (!seen.TryGetValue(itemKey, out _))
                {
                    seen[itemKey] = true;
                    yield return item;
                }
            }
        }
    }

    private static object? GroupBy(object? value, BoundArguments arguments)
    {
        Func<object?, object?> get = AttributeOf(arguments.Value(0), arguments.Value(1));
        bool caseSensitive = arguments.Flag(2);
        List<object?> groups = [];
        object? lastKey = null;
        List<object?> group = [];
        foreach (object? item
            in Sorted(arguments.Renderer, Sequences.Iterate(arguments.Renderer, value), Key, reverse: false))
        {
            object? key = Key(item);
            if (groups.Count == 0 || !Comparison.AreEqual(key, lastKey))
            {
                // Where cases are one, the first item's own stands for all.
                groups.Add(new GroupTuple(get(item), group = []));
                lastKey = key;
            }

            group.Add(item);
        }

        return groups;

        object? Key(object? item) => caseSensitive ? get(item) : IgnoreCase(get(item));
    }

    private static object? Batch(object? value, BoundArguments arguments)
    {
        int size = (int)Math.Clamp(arguments.Int(0), 1, int.MaxValue);
        object? fill = arguments.Value(1);
        List<object?> batches = [];
        List<object?> batch = [];
        foreach (object? item in Sequences.Iterate(arguments.Renderer, value))
        {
            if (batch.Count == size)
            {
                batches.Add(batch);
                batch = [];
            }

            batch.Add(item);
        }

        if (batch.Count > 0)
        {
            int missing = fill is null ? 0 : size - batch.Count;
            arguments.Renderer.Charge(missing);
            batch.AddRange(Enumerable.Repeat(fill, missing));
            batches.Add(batch);
        }

        return new PyIterator("do_batch", batches);
    }

    private static object? Slice(object? value, BoundArguments arguments)
    {
        List<object?> items = Sequences.ToList(arguments.Renderer, value);
        int count = (int)Math.Clamp(arguments.Int(0), 0, int.MaxValue);
        if (count == 0)
        {
            throw new TemplateFault("integer division or modulo by zero");
        }

        arguments.Renderer.Charge(count);
        (int size, int longer) = Math.DivRem(items.Count, count);
        List<object?> slices = [];
        int at = 0;
        for (int i = 0; i < count; i++)
        {
            int take = size + (i < longer ? 1 : 0);
            List<object?> slice = items.GetRange(at, take);
            at += take;
            if (arguments.Value(1) is { } fill && i >= longer)
            {
                slice.Add(fill);
            }

            slices.Add(slice);
        }

        return new PyIterator("sync_do_slice", slices);
    }

    private static object? DictSort(object? value, BoundArguments arguments)
    {
        PyDict dict = value as PyDict
            ?? throw new TemplateFault($"'{Types.Name(value)}' object has no attribute 'items'");
        int by = arguments.Text(1, "key") switch
        {
            "key" => 0,
            "value" => 1,
            _ => throw new TemplateFault("You can only sort by either \"key\" or \"value\""),
        };
        bool caseSensitive = arguments.Flag(0);
        return Sorted(
            arguments.Renderer,
            CollectionMethods.Items(dict),
            item => caseSensitive ? ((PyTuple)item!).Items[by] : IgnoreCase(((PyTuple)item!).Items[by]),
            arguments.Flag(2));
    }
}
