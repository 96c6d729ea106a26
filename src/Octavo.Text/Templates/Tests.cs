using System.Numerics;

namespace Octavo.Text.Templates;

/// <summary>Jinja's tests.</summary>
// To add a test: a line in the table, with the names of its parameters.
internal static class Tests
{
    public static FunctionTable<TestFunction> Table { get; } = new(
    [
        ("defined", new(new("defined"), (v, _) => v is not Undefined)),
        ("undefined", new(new("undefined"), (v, _) => v is Undefined)),
        ("none", new(new("none"), (v, _) => v is null)),
        ("boolean", new(new("boolean"), (v, _) => v is bool)),
        ("true", new(new("true"), (v, _) => v is true)),
        ("false", new(new("false"), (v, _) => v is false)),
        ("integer", new(new("integer"), (v, _) => v is long or BigInteger)),
        ("float", new(new("float"), (v, _) => v is double)),
        ("number", new(new("number"), (v, _) => Types.IsNumber(v))),
        ("string", new(new("string"), (v, _) => v is string or Markup)),
        ("mapping", new(new("mapping"), (v, _) => v is PyDict)),
        ("iterable", new(new("iterable"), (v, _) => Sequences.IsIterable(v))),
        ("sequence", new(new("sequence"), (v, _) =>
            v is string or Markup or List<object?> or PyTuple or PyDict or PyRange or Undefined)),
        ("callable", new(new("callable"), (v, _) => v is ICallable or Undefined)),
        ("escaped", new(new("escaped"), (v, _) => v is Markup)),
        ("sameas", new(new("sameas", "other"), (v, a) => IsSame(v, a.Value(0)))),
        ("lower", new(new("lower"), (v, _) => IsCased(Printing.Str(v), PythonText.Lower))),
        ("upper", new(new("upper"), (v, _) => IsCased(Printing.Str(v), PythonText.Upper))),
        ("even", new(new("even"), (v, a) => Rest(a.Renderer, v, 2L) is 0L or 0.0)),
        ("odd", new(new("odd"), (v, a) => Rest(a.Renderer, v, 2L) is 1L or 1.0)),
        ("divisibleby", new(new("divisibleby", "num"), (v, a) => Rest(a.Renderer, v, a.Value(0)) is 0L or 0.0)),
        ("in", new(new("in", "seq"), (v, a) => Sequences.Contains(a.Renderer, a.Value(0), v))),
        ("filter", new(new("filter"), (v, _) => v is string name && Filters.Table.Contains(name))),
        ("test", new(new("test"), (v, _) => v is string name && Table!.Contains(name))),
        ("eq equalto ==", new(new("eq", "other"), (v, a) => Comparison.AreEqual(v, a.Value(0)))),
        ("ne !=", new(new("ne", "other"), (v, a) => !Comparison.AreEqual(v, a.Value(0)))),
        ("lt lessthan <", new(new("lt", "other"), (v, a) => Comparison.Less(v, a.Value(0), "<"))),
        ("le <=", new(new("le", "other"), (v, a) => Comparison.LessOrEqual(v, a.Value(0), "<="))),
        ("gt greaterthan >", new(new("gt", "other"), (v, a) => Comparison.Less(a.Value(0), v, ">"))),
        ("ge >=", new(new("ge", "other"), (v, a) => Comparison.LessOrEqual(a.Value(0), v, ">="))),
    ]);

    // Python keeps one object for None, the booleans, small integers and most short texts.
    private static bool IsSame(object? left, object? right) => (left, right) switch
    {
        (bool a, bool b) => a == b,
        (long a, long b) => a == b,
        (string a, string b) => Comparison.AreEqual(a, b),
        _ => ReferenceEquals(left, right),
    };

    private static bool IsCased(string text, Func<string, string> convert) =>
        Comparison.AreEqual(text, convert(text)) && text.Any(c => char.IsUpper(c) || char.IsLower(c));

    private static object Rest(Renderer renderer, object? value, object? divisor) =>
        value is string or Markup
            ? throw new TemplateFault($"a number is needed, not {Types.Name(value)}")
            : Arithmetic.Modulo(renderer, value, divisor);
}
