using System.Globalization;

namespace Octavo.Text.Templates;

/// <summary>Python's <c>'…{}…'.format(values)</c>, members seen through the sandbox.</summary>
internal static class BraceFormat
{
    public static string Format(Renderer renderer, string format, Arguments arguments, bool escapes)
    {
        int automatic = 0;
        return new Formatting(renderer, arguments, escapes).Run(format, ref automatic, depth: 0);
    }

    private sealed class Formatting(Renderer renderer, Arguments arguments, bool escapes)
    {
        public string Run(string format, ref int automatic, int depth)
        {
            if (depth > 2)
            {
                throw new TemplateFault("Max string recursion exceeded");
            }

            TextJoiner text = renderer.Joined();
            for (int i = 0; i < format.Length; i++)
            {
                char c = format[i];
                if (c is not ('{' or '}'))
                {
                    int next = format.AsSpan(i).IndexOfAny('{', '}');
                    int plain = next < 0 ? format.Length - i : next;
                    text.Append(format, i, plain);
                    i += plain - 1;
                }
                else if (i + 1 < format.Length && format[i + 1] == c)
                {
                    text.Append(format, i, 1);
                    i++;
                }
                else if (c == '}')
                {
                    throw new TemplateFault("Single '}' encountered in format string");
                }
                else
                {
                    int end = EndOf(format, i);
                    text.Append(Field(format[(i + 1)..end], ref automatic, depth));
                    i = end;
                }
            }

            renderer.ChargeText(text.Length);
            return text.ToString();
        }

        private static int EndOf(string format, int begin)
        {
            int open = 0;
            for (int i = begin; i < format.Length; i++)
            {
                open += format[i] == '{' ? 1 : format[i] == '}' ? -1 : 0;
                if (open == 0)
                {
                    return i;
                }
            }

            throw new TemplateFault("Single '{' encountered in format string");
        }

        private string Field(string field, ref int automatic, int depth)
        {
            int bracket = field.IndexOf('[');
            int closing = bracket < 0 ? 0 : Math.Max(field.IndexOf(']', bracket), 0);
            int end = field.AsSpan(closing).IndexOfAny('!', ':');
            end = end < 0 ? field.Length : end + closing;
            string name = field[..end];
            string rest = field[end..];
            string conversion = string.Empty;
            if (rest.StartsWith('!'))
            {
                conversion = rest.Length > 1 ? rest[1..2] : throw new TemplateFault("unmatched '{' in format spec");
                rest = rest[2..];
            }

            object? value = Lookup(name, ref automatic);
            string spec = rest.StartsWith(':') ? Run(rest[1..], ref automatic, depth + 1) : string.Empty;
            value = conversion switch
            {
                "" => value,
                "s" => Printing.Str(value),
                "r" or "a" => Printing.Repr(value),
                _ => throw new TemplateFault($"Unknown conversion specifier {conversion}"),
            };
            string text = FormatSpec.Format(renderer, value, spec);
            return escapes && value is not Markup ? Markup.Escape(text).Text : text;
        }

        private object? Lookup(string name, ref int automatic)
        {
            int end = name.AsSpan().IndexOfAny('.', '[');
            end = end < 0 ? name.Length : end;
            object? value = First(name[..end], ref automatic);
            while (end < name.Length)
            {
                int start = end + 1;
                if (name[end] == '[')
                {
                    int close = name.IndexOf(']', start);
                    string key = close < 0
                        ? throw new TemplateFault("Missing ']' in format string")
                        : name[start..close];
                    value = Members.Element(
                        value,
                        long.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out long index)
                            ? index
                            : key);
                    end = close + 1;
                }
                else
                {
                    int next = name.AsSpan(start).IndexOfAny('.', '[');
                    end = next < 0 ? name.Length : start + next;
                    value = Members.Member(value, name[start..end]);
                }
            }

            return value;
        }

        private object? First(string name, ref int automatic)
        {
            bool isIndex = name.Length == 0;
            int index = isIndex ? automatic++ : 0;
            if (isIndex || int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out index))
            {
                return index < arguments.Positional.Count
                    ? arguments.Positional[index]
                    : throw new TemplateFault("Replacement index out of range for positional args tuple");
            }

            foreach ((string named, object? value) in arguments.Named)
            {
                if (named == name)
                {
                    return value;
                }
            }

            throw new TemplateFault($"no argument '{name}' to format");
        }
    }
}
