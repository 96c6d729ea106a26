
namespace Octavo.Text.Templates;

/// <summary>A macro with the names around it.</summary>
internal sealed class Macro(MacroDefinition definition, Frame outer) : ICallable, IMembers
{
    public object? Call(Renderer renderer, Arguments arguments)
    {
        Frame frame = outer.Inner();
        return renderer.Nested(() =>
        {
            Bind(frame, arguments);
            return renderer.Capture(definition.Body, frame).Text;
        });
    }

    public bool TryGetMember(string name, out object? value)
    {
        value = name switch
        {
            "name" => definition.Name,
            "arguments" => new PyTuple(definition.Parameters),
            "catch_kwargs" => definition.UsesKwargs,
            "catch_varargs" => definition.UsesVarargs,
            "caller" => definition.UsesCaller,
            _ => BoundArguments.Absent,
        };
        return value != BoundArguments.Absent;
    }

    private void Bind(Frame frame, Arguments arguments)
    {
        string name = definition.Name;
        string[] parameters = definition.Parameters;
        List<(string Name, object? Value)> named = [.. arguments.Named];
        List<int> missing = [];
        bool givesCaller = false;
        for (int i = 0; i < parameters.Length; i++)
        {
            if (i < arguments.Positional.Count)
            {
                frame.Set(parameters[i], arguments.Positional[i]);
                continue;
            }

            int at = named.FindIndex(a => a.Name == parameters[i]);
            givesCaller |= at >= 0 && parameters[i] == "caller";
            if (at >= 0)
            {
                frame.Set(parameters[i], named[at].Value);
                named.RemoveAt(at);
            }
            else
            {
                frame.Set(
                    parameters[i],
                    new Undefined(parameters[i], hint: $"parameter '{parameters[i]}' was not provided"));
                missing.Add(i);
            }
        }

        // A default sees the other parameters, and of those that are missing too the ones before it.
        int firstDefault = parameters.Length - definition.Defaults.Length;
        foreach (int i in missing.Where(i => i >= firstDefault))
        {
            frame.Set(parameters[i], definition.Defaults[i - firstDefault].Evaluate(frame));
        }

        if (definition.UsesCaller && !givesCaller)
        {
            int at = named.FindIndex(a => a.Name == "caller");
            frame.Set("caller", at >= 0 ? named[at].Value : new Undefined("caller", hint: "no caller defined"));
            named.RemoveAll(a => a.Name == "caller");
        }

        if (definition.UsesKwargs)
        {
            frame.Set("kwargs", new PyDict(named.Select(a => ((object?)a.Name, a.Value))));
        }
        else if (named.Count > 0)
        {
            throw new TemplateFault($"macro '{name}' takes no keyword argument '{named[0].Name}'");
        }

        if (definition.UsesVarargs)
        {
            frame.Set("varargs", new PyTuple([.. arguments.Positional.Skip(parameters.Length)]));
        }
        else if (arguments.Positional.Count > parameters.Length)
        {
            throw new TemplateFault($"macro '{name}' takes not more than {parameters.Length} argument(s)");
        }
    }
}
