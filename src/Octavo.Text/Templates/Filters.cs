
namespace Octavo.Text.Templates;

/// <summary>
/// Jinja's filters, with transformers' own <c>tojson</c>. Left out is <c>random</c>: a prompt must come out the same
/// each time.
/// </summary>
// To add a filter: a line in one of the tables of this class, with the names of its parameters.
internal static partial class Filters
{
    public static FunctionTable<FilterFunction> Table { get; } =
        new([.. TextFilters, .. SequenceFilters, .. ChoiceFilters, .. ValueFilters]);

    private static (string Names, FilterFunction Function)[] ValueFilters =>
    [
        ("abs", new(new("abs"), (v, _) => Absolute(v))),
        ("attr", new(new("attr", "name"), (v, a) => Members.Member(v, a.Text(0)) is var member && v is PyDict dict
            && dict.TryGetValue(a.Text(0), out object? own) && ReferenceEquals(member, own)
                ? Undefined.Of(v, a.Text(0))
                : member)),
        ("default d", new(new("default", "default_value?", "boolean?"), (v, a) =>
            v is Undefined || (a.Flag(1) && !Truth.IsTrue(v)) ? a.Value(0, string.Empty) : v)),
        ("float", new(new("float", "default?"), (v, a) => ToFloat(v) ?? a.Value(0, 0.0))),
        ("int", new(new("int", "default?", "base?"), (v, a) => ToInt(v, (int)a.Int(1, 10)) ?? a.Value(0, 0L))),
        ("round", new(new("round", "precision?", "method?"), (v, a) => Round(v, a.Int(0), a.Text(1, "common")))),
        ("filesizeformat", new(new("filesizeformat", "binary?"), (v, a) => FileSize(v, a.Flag(0)))),
        ("string", new(new("string"), (v, _) => v is Markup ? v : Printing.Str(v))),
        ("pprint", new(new("pprint"), (v, _) => Printing.Repr(v))),
        ("tojson", new(new("tojson", "ensure_ascii?", "indent?", "separators?", "sort_keys?"), ToJson)),
    ];

    private static object Absolute(object? value) => value switch
    {
        double number => Math.Abs(number),
        Undefined undefined => throw undefined.Fault(),
        _ when PythonNumber.AsInteger(value) is { } number =>
            PythonNumber.Normalize(System.Numerics.BigInteger.Abs(number)),
        _ => throw new TemplateFault($"bad operand type for abs(): '{Types.Name(value)}'"),
    };

    private static object? ToFloat(object? value) => value switch
    {
        Undefined undefined => throw undefined.Fault(),
        string or Markup => PythonNumber.ParseFloat(Printing.AsText(value)!),
        _ => PythonNumber.AsDouble(value),
    };

    private static object? ToInt(object? value, int radix)
    {
        switch (value)
        {
            case Undefined undefined:
                throw undefined.Fault();
            case double number:
                return double.IsFinite(number)
                    ? PythonNumber.Normalize(new System.Numerics.BigInteger(Math.Truncate(number)))
                    : double.IsNaN(number) ? null : throw new TemplateFault("cannot convert float infinity to integer");
            case string or Markup:
                string text = Printing.AsText(value)!;
                return PythonNumber.ParseInt(text, radix)
                    ?? (PythonNumber.ParseFloat(text) is { } parsed && double.IsFinite(parsed)
                        ? PythonNumber.Normalize(new System.Numerics.BigInteger(Math.Truncate(parsed)))
                        : null);
            default:
                return PythonNumber.AsInteger(value) is { } integer ? PythonNumber.Normalize(integer) : null;
        }
    }

    private static object Round(object? value, long precision, string method)
    {
        if (value is Undefined undefined)
        {
            throw undefined.Fault();
        }

        if (!Types.IsNumber(value))
        {
            throw new TemplateFault($"type {Types.Name(value)} cannot be rounded");
        }

        int digits = (int)Math.Clamp(precision, -400, 400);
        switch (method)
        {
            case "common" when value is double number:
                return RoundDouble(number, digits);
            case "common":
                return RoundInteger(PythonNumber.AsInteger(value)!.Value, digits);
            case "floor" or "ceil":
                double scale = Math.Pow(10, digits);
                double scaled = PythonNumber.AsDouble(value)!.Value * scale;
                return (method == "floor" ? Math.Floor(scaled) : Math.Ceiling(scaled)) / scale;
            default:
                throw new TemplateFault("method must be common, ceil or floor");
        }
    }

    private static double RoundDouble(double value, int digits)
    {
        if (!double.IsFinite(value) || value == 0 || digits > 330)
        {
            return value;
        }

        string text = ExactDecimal.Scaled(value, digits) + "e" + (-digits);
        return Math.CopySign(double.Parse(text, System.Globalization.CultureInfo.InvariantCulture), value);
    }

    private static object RoundInteger(System.Numerics.BigInteger value, int digits)
    {
        if (digits >= 0)
        {
            return PythonNumber.Normalize(value);
        }

        var unit = System.Numerics.BigInteger.Pow(10, -digits);
        var lower = value - ((value % unit) + unit) % unit;
        int half = ((value - lower) * 2).CompareTo(unit);
        bool up = half > 0 || (half == 0 && !(lower / unit).IsEven);
        return PythonNumber.Normalize(up ? lower + unit : lower);
    }

    private static string FileSize(object? value, bool binary)
    {
        double bytes = ToFloat(value) as double?
            ?? throw new TemplateFault($"{Types.Name(value)} is no size in bytes");
        double unit = binary ? 1024 : 1000;
        if (bytes == 1)
        {
            return "1 Byte";
        }

        if (bytes < unit)
        {
            return $"{Printing.Repr(ToInt(bytes, 10))} Bytes";
        }

        string[] prefixes = binary
            ? ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]
            : ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
        int i = 0;
        double next = unit * unit;
        for (; i < prefixes.Length - 1 && bytes >= next; i++)
        {
            next *= unit;
        }

        return $"{ExactDecimal.Fixed(unit * bytes / next, 1)} {prefixes[i]}";
    }

    private static object? ToJson(object? value, BoundArguments arguments)
    {
        object? indent = arguments.Value(1);
        IReadOnlyList<object?> separators = arguments.Value(2) switch
        {
            null => [indent is null ? ", " : ",", ": "],
            List<object?> { Count: 2 } list => list,
            PyTuple { Items.Count: 2 } tuple => tuple.Items,
            _ => throw new TemplateFault("tojson(): separators must be two strings"),
        };
        if (indent is not null && Printing.AsText(indent) is null)
        {
            arguments.Renderer.ChargeText(arguments.Int(1));
            indent = new string(' ', (int)Math.Max(0, arguments.Int(1)));
        }

        return new JsonText
        {
            Ascii = arguments.Flag(0),
            Indent = Printing.AsText(indent),
            ItemSeparator = Separator(separators[0]),
            KeySeparator = Separator(separators[1]),
            SortKeys = arguments.Flag(3),
        }.Write(arguments.Renderer, value);

        static string Separator(object? value) =>
            Printing.AsText(value) ?? throw new TemplateFault("tojson(): separators must be two strings");
    }
}
