using System.Numerics;

namespace Octavo.Text.Templates;

/// <summary>Python's equality and order.</summary>
internal static class Comparison
{
    public static bool AreEqual(object? left, object? right)
    {
        Renderer.EnsureStack();
        return (left, right) switch
        {
            (string a, string b) => AreEqual(a, b),
            (null, null) => true,
            (Undefined, Undefined) => true,
            (List<object?> a, List<object?> b) => AreEqual(a, b),
            (PyTuple a, PyTuple b) => AreEqual(a.Items, b.Items),
            (PyDict a, PyDict b) => a.Count == b.Count && a.Entries.All(
                e => b.TryGetValue(e.Key, out object? other) && AreEqual(e.Value, other)),
            (PyRange a, PyRange b) => a.Count == b.Count && a.Items.SequenceEqual(b.Items),
            (DictView a, DictView b) when a.Name != "dict_values" =>
                a.Count == b.Count && a.Items.All(x => b.Items.Any(y => AreEqual(x, y))),
            _ when Types.IsNumber(left) && Types.IsNumber(right) => CompareNumbers(left, right) == 0,
            _ when Printing.AsText(left) is { } a && Printing.AsText(right) is { } b => AreEqual(a, b),
            _ => ReferenceEquals(left, right),
        };
    }

    public static bool Less(object? left, object? right, string sign) => Order(left, right, sign) is < 0;

    public static bool LessOrEqual(object? left, object? right, string sign) => Order(left, right, sign) is <= 0;

    /// <summary>Negative, zero, positive; null where NaN has no order.</summary>
    /// <exception cref="TemplateFault">The values have no order.</exception>
    public static int? Order(object? left, object? right, string sign)
    {
        Renderer.EnsureStack();
        return (left, right) switch
        {
            (Undefined undefined, _) => throw undefined.Fault(),
            (_, Undefined undefined) => throw undefined.Fault(),
            (List<object?> a, List<object?> b) => OrderItems(a, b, sign),
            (PyTuple a, PyTuple b) => OrderItems(a.Items, b.Items, sign),
            _ when Types.IsNumber(left) && Types.IsNumber(right) => CompareNumbers(left, right),
            _ when Printing.AsText(left) is { } a && Printing.AsText(right) is { } b => PythonText.Compare(a, b),
            _ => throw Unordered(left, right, sign),
        };
    }

    private static TemplateFault Unordered(object? left, object? right, string sign)
    {
        (object? first, object? second) = sign[0] == '>' ? (right, left) : (left, right);
        return new TemplateFault(
            $"'{sign}' not supported between instances of '{Types.Name(first)}' and '{Types.Name(second)}'");
    }

    /// <summary>Whether texts are equal; long ones count.</summary>
    public static bool AreEqual(string left, string right)
    {
        if (left.Length != right.Length)
        {
            return false;
        }

        Renderer.ChargeReading(left.Length);
        return left == right;
    }

    private static bool AreEqual(IReadOnlyList<object?> left, IReadOnlyList<object?> right)
    {
        if (left.Count != right.Count)
        {
            return false;
        }

        for (int i = 0; i < left.Count; i++)
        {
            if (!AreEqual(left[i], right[i]))
            {
                return false;
            }
        }

        return true;
    }

    private static int? OrderItems(IReadOnlyList<object?> left, IReadOnlyList<object?> right, string sign)
    {
        for (int i = 0; i < Math.Min(left.Count, right.Count); i++)
        {
            if (!AreEqual(left[i], right[i]))
            {
                return Order(left[i], right[i], sign);
            }
        }

        return left.Count.CompareTo(right.Count);
    }

    // Exact, also between an integer and a double.
    private static int? CompareNumbers(object? left, object? right)
    {
        if (left is long a && right is long b)
        {
            return a.CompareTo(b);
        }

        if (PythonNumber.AsInteger(left) is { } first && PythonNumber.AsInteger(right) is { } second)
        {
            return first.CompareTo(second);
        }

        if (left is double x && right is double y)
        {
            return double.IsNaN(x) || double.IsNaN(y) ? null : x.CompareTo(y);
        }

        return left is double d ? -CompareToDouble(PythonNumber.AsInteger(right)!.Value, d)
            : CompareToDouble(PythonNumber.AsInteger(left)!.Value, (double)right!);
    }

    private static int? CompareToDouble(BigInteger integer, double value)
    {
        if (!double.IsFinite(value))
        {
            return double.IsNaN(value) ? null : value > 0 ? -1 : 1;
        }

        double floor = Math.Floor(value);
        int order = integer.CompareTo(new BigInteger(floor));
        return order != 0 ? order : floor < value ? -1 : 0;
    }
}
