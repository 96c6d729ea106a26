
namespace Octavo.Text.Templates;

/// <content>map, and select and reject by a test.</content>
internal static partial class Filters
{
    private static (string Names, FilterFunction Function)[] ChoiceFilters =>
    [
        ("map", new((renderer, value, arguments) => Map(renderer, value, arguments))),
        ("select", Chosen("select", byAttribute: false, wanted: true)),
        ("reject", Chosen("reject", byAttribute: false, wanted: false)),
        ("selectattr", Chosen("selectattr", byAttribute: true, wanted: true)),
        ("rejectattr", Chosen("rejectattr", byAttribute: true, wanted: false)),
    ];

    private static object? Map(Renderer renderer, object? value, Arguments arguments)
    {
        // As in Jinja: nothing is asked of what is false.
        if (!Truth.IsTrue(value))
        {
            return new PyIterator("sync_do_map", []);
        }

        Func<object?, object?> convert = Conversion(renderer, arguments);
        return new PyIterator("sync_do_map", Sequences.Iterate(renderer, value).Select(convert));
    }

    private static Func<object?, object?> Conversion(Renderer renderer, Arguments arguments)
    {
        if (arguments.Positional is [var first, ..])
        {
            string name = Printing.Str(first);
            FilterFunction filter = Table.Find(name) ?? throw new TemplateFault($"there is no filter named '{name}'");
            Arguments rest = arguments.Rest();
            return item => filter.Apply(renderer, item, rest);
        }

        object? attribute = BoundArguments.Absent, otherwise = null;
        foreach ((string name, object? given) in arguments.Named)
        {
            _ = name switch
            {
                "attribute" => attribute = given,
                "default" => otherwise = given,
                _ => throw new TemplateFault($"map() got an unexpected argument '{name}'"),
            };
        }

        return attribute == BoundArguments.Absent
            ? throw new TemplateFault("map requires a filter argument")
            : AttributeOf(attribute, otherwise);
    }

    private static FilterFunction Chosen(string filter, bool byAttribute, bool wanted) =>
        new((renderer, value, arguments) =>
        {
            if (!Truth.IsTrue(value))
            {
                return new PyIterator("select_or_reject", []);
            }

            Func<object?, object?> get = item => item;
            if (byAttribute)
            {
                if (arguments.Positional.Count == 0)
                {
                    throw new TemplateFault($"{filter}() needs the name of an attribute");
                }

                get = AttributeOf(arguments.Positional[0]);
                arguments = arguments.Rest();
            }

            Func<object?, bool> holds = Truth.IsTrue;
            if (arguments.Positional is [var first, ..])
            {
                string name = Printing.Str(first);
                TestFunction test = Tests.Table.Find(name)
                    ?? throw new TemplateFault($"there is no test named '{name}'");
                Arguments rest = arguments.Rest();
                holds = item => test.Holds(renderer, item, rest);
            }

            return new PyIterator(
                "select_or_reject", Sequences.Iterate(renderer, value).Where(item => holds(get(item)) == wanted));
        });
}
