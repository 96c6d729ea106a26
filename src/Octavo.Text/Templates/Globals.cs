
namespace Octavo.Text.Templates;

/// <summary>
/// The names that every template sees: Jinja's functions (without <c>lipsum</c>), and transformers'
/// <c>raise_exception</c> and <c>strftime_now</c>.
/// </summary>
// To add a function: a line in the table; a caller's variable of the same name hides it.
internal static class Globals
{
    private const int MaxRange = 100_000;

    private static readonly FunctionTable<Function> Table = new(
    [
        ("range", new("range", Range)),
        ("namespace", new("namespace", NewNamespace)),
        ("cycler", new("cycler", (_, a) => a.Positional.Count > 0
            ? new Cycler(a.Positional)
            : throw new TemplateFault("at least one item has to be provided"))),
        ("joiner", new("joiner", (renderer, a) =>
            new Joiner(new Signature("joiner", "sep?").Bind(renderer, a).Value(0, ", ")))),
        ("raise_exception", new("raise_exception", (renderer, a) =>
            throw new TemplateFault(Printing.Str(
                new Signature("raise_exception", "message").Bind(renderer, a).Value(0))))),
        ("strftime_now", new("strftime_now", (renderer, a) => Strftime.Format(
            renderer.Time.GetLocalNow(), new Signature("strftime_now", "format").Bind(renderer, a).Text(0)))),
    ]);

    public static bool TryFind(Renderer renderer, string name, out object? value)
    {
        value = name switch
        {
            "self" => new BlockReferences(renderer),
            "dict" => new DictFunction(),
            _ => Table.Find(name),
        };
        return value is not null;
    }

    private static object? Dict(Renderer renderer, Arguments arguments)
    {
        PyDict dict = new();
        if (arguments.Positional.Count > 1)
        {
            throw new TemplateFault($"dict expected at most 1 argument, got {arguments.Positional.Count}");
        }

        if (arguments.Positional is [var source])
        {
            IEnumerable<object?> pairs = source is PyDict other
                ? CollectionMethods.Items(other)
                : Sequences.Iterate(renderer, source);
            foreach (object? pair in pairs)
            {
                dict[Pair(renderer, pair)[0]] = Pair(renderer, pair)[1];
            }
        }

        foreach ((string name, object? value) in arguments.Named)
        {
            dict[name] = value;
        }

        return dict;
    }

    private static List<object?> Pair(Renderer renderer, object? pair) =>
        Sequences.ToList(renderer, pair) is { Count: 2 } two
            ? two
            : throw new TemplateFault("dict needs pairs of a key and a value");

    private static object? NewNamespace(Renderer renderer, Arguments arguments)
    {
        Namespace space = new();
        foreach ((object? name, object? value) in ((PyDict)Dict(renderer, arguments)!).Entries)
        {
            space.Set(Printing.Str(name), value);
        }

        return space;
    }

    private static object? Range(Renderer renderer, Arguments arguments)
    {
        BoundArguments bound = new Signature("range", "start", "stop?", "step?").Bind(renderer, arguments);
        (long start, long stop) = bound.Has(1) ? (bound.Int(0), bound.Int(1)) : (0, bound.Int(0));
        long step = bound.Int(2, 1);
        const long Largest = 1L << 60;
        if (step == 0)
        {
            throw new TemplateFault("range() arg 3 must not be zero");
        }

        bool fits = Math.Max(Math.Max(Math.Abs(start), Math.Abs(stop)), Math.Abs(step)) < Largest;
        PyRange range = new(start, stop, step);
        return fits && range.Count <= MaxRange
            ? range
            : throw new TemplateFault($"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({MaxRange}).");
    }

    /// <summary><c>dict(…)</c>, and what hangs on it: <c>dict.fromkeys</c>.</summary>
    private sealed class DictFunction : ICallable, IMembers
    {
        public object? Call(Renderer renderer, Arguments arguments) => Dict(renderer, arguments);

        public bool TryGetMember(string name, out object? value)
        {
            value = name == "fromkeys" ? CollectionMethods.Find(new PyDict(), name) : null;
            return value is not null;
        }
    }

    /// <summary>The template's blocks, as <c>self.name()</c>.</summary>
    private sealed class BlockReferences(Renderer renderer) : IMembers
    {
        public bool TryGetMember(string name, out object? value)
        {
            value = renderer.Blocks.TryGetValue(name, out BlockStatement? block)
                ? new Function(name, (r, _) => r.Nested(() => r.Capture(() => block.Run(r.Root!))))
                : null;
            return value is not null;
        }
    }
}
