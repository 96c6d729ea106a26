using System.Numerics;

namespace Octavo.Text.Templates;

/// <summary>Python's operators on numbers, texts and lists.</summary>
internal static class Arithmetic
{
    private const long MaxBits = 1 << 17;

    public static object Sign(object? value, bool negative) => value switch
    {
        double number => negative ? -number : number,
        Undefined undefined => throw undefined.Fault(),
        _ when PythonNumber.AsInteger(value) is { } number => PythonNumber.Normalize(negative ? -number : number),
        _ => throw new TemplateFault($"bad operand type for unary {(negative ? '-' : '+')}: '{Types.Name(value)}'"),
    };

    public static object? Add(Renderer renderer, object? left, object? right)
    {
        switch (left, right)
        {
            case (string a, string b):
                renderer.ChargeText((long)a.Length + b.Length);
                return renderer.Joined().Append(a).Append(b).ToString();
            case (long a, long b) when !OverflowsAdd(a, b, out long sum):
                return sum;
            case (Undefined undefined, _):
                throw undefined.Fault();
            case (_, Undefined undefined):
                throw undefined.Fault();
            case (List<object?> a, List<object?> b):
                renderer.Charge(a.Count + b.Count);
                return new List<object?>([.. a, .. b]);
            case (PyTuple a, PyTuple b):
                renderer.Charge(a.Items.Count + b.Items.Count);
                return new PyTuple([.. a.Items, .. b.Items]);
            case (Markup, _) when Printing.AsText(right) is not null:
            case (_, Markup) when Printing.AsText(left) is not null:
                string joined =
                    renderer.Joined().Append(Markup.Escape(left).Text).Append(Markup.Escape(right).Text).ToString();
                renderer.ChargeText(joined.Length);
                return new Markup(joined);
            case (string or Markup, _):
                throw new TemplateFault($"can only concatenate str (not \"{Types.Name(right)}\") to str");
            case (List<object?> or PyTuple, _):
                throw new TemplateFault(
                    $"can only concatenate {Types.Name(left)} (not \"{Types.Name(right)}\") to {Types.Name(left)}");
            default:
                return Numbers("+", left, right, (a, b) => a + b, (a, b) => a + b);
        }
    }

    public static object Subtract(object? left, object? right) =>
        Numbers("-", left, right, (a, b) => a - b, (a, b) => a - b);

    public static object Multiply(Renderer renderer, object? left, object? right)
    {
        if (PythonNumber.AsInteger(right) is { } times && Repeat(renderer, left, times) is { } repeated)
        {
            return repeated;
        }

        if (PythonNumber.AsInteger(left) is { } count && Repeat(renderer, right, count) is { } other)
        {
            return other;
        }

        return Numbers(
            "*", left, right, (a, b) => Bounded(a.GetBitLength() + b.GetBitLength(), () => a * b), (a, b) => a * b);
    }

    public static object Divide(object? left, object? right) => Numbers(
        "/",
        left,
        right,
        (a, b) => b.IsZero ? throw DivisionByZero() : null,
        (a, b) => b == 0 ? throw DivisionByZero() : a / b)
        is double quotient ? quotient : throw DivisionByZero();

    public static object FloorDivide(object? left, object? right) => Numbers(
        "//", left, right, (a, b) => FloorDivRem(a, b).Quotient, (a, b) => FloorDivRem(a, b).Quotient);

    public static object Modulo(Renderer renderer, object? left, object? right)
    {
        if (Printing.AsText(left) is not { } format)
        {
            return Numbers(
                "%", left, right, (a, b) => FloorDivRem(a, b).Remainder, (a, b) => FloorDivRem(a, b).Remainder);
        }

        string text = PercentFormat.Format(renderer, format, right, escapes: left is Markup);
        return left is Markup ? new Markup(text) : text;
    }

    public static object Power(object? left, object? right)
    {
        return Numbers("**", left, right, OfIntegers, OfDoubles);

        static BigInteger? OfIntegers(BigInteger a, BigInteger b) => b.Sign < 0 ? null
            : a.IsZero || a.IsOne || a == BigInteger.MinusOne ? BigInteger.Pow(a, b.IsZero ? 0 : b.IsEven ? 2 : 1)
            : b > MaxBits ? throw TooLarge()
            : Bounded(a.GetBitLength() * (long)b, () => BigInteger.Pow(a, (int)b));

        static double OfDoubles(double a, double b) => a == 0 && b < 0
            ? throw new TemplateFault("0 cannot be raised to a negative power")
            : a < 0 && b != Math.Floor(b) ? throw new TemplateFault("a complex number is no value of a template")
            : double.IsInfinity(Math.Pow(a, b)) && double.IsFinite(a) && double.IsFinite(b)
                ? throw new TemplateFault("the result is too large")
            : Math.Pow(a, b);
    }

    private static bool OverflowsAdd(long a, long b, out long sum)
    {
        sum = unchecked(a + b);
        return ((a ^ sum) & (b ^ sum)) < 0;
    }

    /// <summary>Integers where both are and the operator has an integer for them, else doubles.</summary>
    private static object Numbers(
        string sign,
        object? left,
        object? right,
        Func<BigInteger, BigInteger, BigInteger?> integers,
        Func<double, double, double> doubles)
    {
        if (left is Undefined || right is Undefined)
        {
            throw ((left as Undefined) ?? (Undefined)right!).Fault();
        }

        if (!Types.IsNumber(left) || !Types.IsNumber(right))
        {
            throw new TemplateFault(
                $"unsupported operand type(s) for {sign}: '{Types.Name(left)}' and '{Types.Name(right)}'");
        }

        return PythonNumber.AsInteger(left) is { } a
            && PythonNumber.AsInteger(right) is { } b
            && integers(a, b) is { } c
            ? PythonNumber.Normalize(c)
            : doubles(PythonNumber.AsDouble(left)!.Value, PythonNumber.AsDouble(right)!.Value);
    }

    private static BigInteger Bounded(long bits, Func<BigInteger> compute)
    {
        if (bits > MaxBits)
        {
            throw TooLarge();
        }

        Renderer.ChargeInteger(bits);
        return compute();
    }

    private static TemplateFault TooLarge() => new($"the integer has more than {MaxBits} bits");

    private static TemplateFault DivisionByZero() => new("division by zero");

    private static (BigInteger Quotient, BigInteger Remainder) FloorDivRem(BigInteger a, BigInteger b)
    {
        if (b.IsZero)
        {
            throw DivisionByZero();
        }

        Renderer.ChargeInteger(a.GetBitLength());
        BigInteger quotient = BigInteger.DivRem(a, b, out BigInteger rest);
        return rest.IsZero || rest.Sign == b.Sign ? (quotient, rest) : (quotient - 1, rest + b);
    }

    private static (double Quotient, double Remainder) FloorDivRem(double a, double b)
    {
        if (b == 0)
        {
            throw DivisionByZero();
        }

        double rest = a % b;
        double quotient = (a - rest) / b;
        if (rest != 0 && (rest < 0) != (b < 0))
        {
            rest += b;
            quotient--;
        }

        if (quotient == 0)
        {
            return (Math.CopySign(0, a / b), rest == 0 ? Math.CopySign(0, b) : rest);
        }

        double floor = Math.Floor(quotient);
        return (quotient - floor > 0.5 ? floor + 1 : floor, rest == 0 ? Math.CopySign(0, b) : rest);
    }

    private static object? Repeat(Renderer renderer, object? value, BigInteger times)
    {
        long count = times.Sign < 0 ? 0 : times > int.MaxValue ? int.MaxValue : (long)times;
        switch (value)
        {
            case string or Markup:
                string text = Printing.AsText(value)!;
                renderer.ChargeText(text.Length * count);
                string repeated =
                    new System.Text.StringBuilder().Insert(0, text, text.Length == 0 ? 0 : (int)count).ToString();
                renderer.Provenance.NoteRepeated(repeated, text);
                return value is Markup ? new Markup(repeated) : repeated;
            case List<object?> list:
                return RepeatItems(renderer, list, count).ToList();
            case PyTuple tuple:
                return new PyTuple(RepeatItems(renderer, tuple.Items, count));
            default:
                return null;
        }
    }

    private static object?[] RepeatItems(Renderer renderer, IReadOnlyList<object?> items, long count)
    {
        long total = items.Count * count;
        renderer.Charge((int)Math.Min(total, int.MaxValue));
        var result = new object?[total];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = items[i % items.Count];
        }

        return result;
    }
}
