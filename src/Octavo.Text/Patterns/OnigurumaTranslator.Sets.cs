using System.Text;

namespace Octavo.Text.Patterns;

// Expressions whose classes need more than .NET's have: scripts, intersections, classes within classes, characters
// beyond the basic plane. Every class is then a set of code points, spelled out; and each kind of character beyond the
// basic plane, by the sets that it is in, is matched as a surrogate of its own, which no text holds by itself.
internal sealed partial class OnigurumaTranslator
{
    private const int FirstStandIn = 0xD800;
    private const int MaxStandIns = 0x800;

    // What stands in the target where a set goes once all are known.
    private const char FirstPlaceholder = '\uE000';

    private readonly List<CodePointSet> _sets = [];

    private static CodePointSet SpaceSet { get; } = Ranges(
        (0x9, 0xD), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
        (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000));

    // The circled and squared letters are alphabetic, though symbols.
    private static CodePointSet WordSet { get; } = new[] { "L", "Nl", "M", "Nd", "Pc" }
        .Select(CodePointSet.Category)
        .Aggregate(
            Ranges((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189)),
            (sum, set) => sum.Union(set));

    private static CodePointSet Ranges(params (int First, int Last)[] ranges) => ranges.Aggregate(
        CodePointSet.Empty, (sum, range) => sum.Union(CodePointSet.Range(range.First, range.Last)));

    /// <summary>Whether an expression has a class that .NET cannot have.</summary>
    private static bool NeedsSets(string source)
    {
        bool inClass = false;
        for (int i = 0; i < source.Length; i++)
        {
            char c = source[i];
            char next = i + 1 < source.Length ? source[i + 1] : '\0';
            switch (c)
            {
                case '\\' when next is 'p' or 'P':
                    int close = source.IndexOf('}', i);
                    if (close > i + 3 && source[i + 2] == '{' && CategoryNamed(source[(i + 3)..close]) is null)
                    {
                        return true;
                    }

                    i++;
                    break;
                case '\\':
                    i++;
                    break;
                case '[' when inClass && next != ':':
                    return true;
                case '[':
                    inClass = true;
                    break;
                case ']':
                    inClass = false;
                    break;
                case '&' when inClass && next == '&':
                    return true;
                default:
                    if (char.IsSurrogate(c))
                    {
                        return true;
                    }

                    break;
            }
        }

        return false;
    }

    private static string? CategoryNamed(string written)
    {
        string name = written.Trim().TrimStart('^');
        string category = s_categoryNames.GetValueOrDefault(name, name);
        return Array.Find(s_categories, c => c.Equals(category, StringComparison.OrdinalIgnoreCase));
    }

    private void AppendSet(CodePointSet set)
    {
        _target.Append((char)(FirstPlaceholder + _sets.Count));
        _sets.Add(set);
    }

    /// <summary>What \s, \p{L}, \p{Han} and the like stand for; null where the escape is a character.</summary>
    private CodePointSet? ShorthandSet(bool ignoreCase)
    {
        char kind = AtEnd ? throw Refuse("a \\ at its end") : _source[_position];
        if (kind is not ('s' or 'S' or 'd' or 'D' or 'w' or 'W' or 'p' or 'P'))
        {
            return null;
        }

        _position++;
        bool negated = char.IsAsciiLetterUpper(kind);
        CodePointSet set = char.ToLowerInvariant(kind) switch
        {
            's' => SpaceSet,
            'd' => CodePointSet.Category("Nd"),
            'w' => WordSet,
            _ => PropertySet(ignoreCase, ref negated),
        };
        return negated ? set.Complement() : set;
    }

    private CodePointSet PropertySet(bool ignoreCase, ref bool negated)
    {
        int close = _source.IndexOf('}', _position);
        if (close < 0 || _source[_position] != '{')
        {
            throw Refuse("a \\p without {…}");
        }

        string name = _source[(_position + 1)..close].Trim();
        if (CategoryNamed(name) is not null)
        {
            return CodePointSet.Category(Category(ignoreCase, ref negated)[3..^1]);
        }

        negated ^= name.StartsWith('^');
        name = name.TrimStart('^');
        int value = name.IndexOf('=') + 1;
        bool isScript = value == 0 || name[..(value - 1)].Trim().ToLowerInvariant() is "sc" or "script";
        CodePointSet set = (isScript ? CodePointSet.Script(name[value..].Trim()) : null)
            ?? throw Refuse($"the property \\p{{{name}}}");
        _position = close + 1;
        return set;
    }

    /// <summary>A class, behind its bracket; <c>&amp;&amp;</c> binds less than all else.</summary>
    private CodePointSet ClassSet(bool ignoreCase, int depth)
    {
        if (depth > MaxDepth)
        {
            throw Refuse($"classes nested more than {MaxDepth} deep");
        }

        bool negated = TryTake("^");
        if (!AtEnd && (_source[_position] == ']' || (depth > 0 && _source[_position] == ':')))
        {
            throw Refuse(_source[_position] == ']' ? "an empty class" : "a class by name");
        }

        CodePointSet? before = null;
        CodePointSet members = CodePointSet.Empty;
        while (!TryTake("]"))
        {
            if (TryTake("&&"))
            {
                before = before?.Intersect(members) ?? members;
                members = CodePointSet.Empty;
            }
            else
            {
                members = members.Union(ClassMember(ignoreCase, depth));
            }
        }

        CodePointSet set = before?.Intersect(members) ?? members;
        return negated ? set.Complement() : set;
    }

    private CodePointSet ClassMember(bool ignoreCase, int depth)
    {
        if (TryTake("["))
        {
            return ClassSet(ignoreCase, depth + 1);
        }

        if (TryTake("\\"))
        {
            if (ShorthandSet(ignoreCase) is { } shorthand)
            {
                return shorthand;
            }

            _position--;
        }

        int first = ClassCharacter();
        bool range = _position + 1 < _source.Length && _source[_position] == '-' && _source[_position + 1] != ']';
        int last = first;
        if (range)
        {
            _position++;
            last = _source[_position] == '[' ? -1 : ClassCharacter();
        }

        if (last < first)
        {
            throw Refuse("a range that ends before it begins");
        }

        CodePointSet set = CodePointSet.Range(first, last);
        for (int c = first; ignoreCase && c <= Math.Min(last, 0xFFFF); c++)
        {
            set = char.IsLetter((char)c)
                ? CaseVariantsOf((char)c).Aggregate(set, (sum, v) => sum.Union(CodePointSet.Range(v, v)))
                : set;
        }

        return set;
    }

    private int ClassCharacter()
    {
        char c = Take();
        return c == '\\' ? EscapedCharacter()
            : char.IsHighSurrogate(c) && !AtEnd ? char.ConvertToUtf32(c, Take())
            : c;
    }

    /// <summary>Writes the sets out, now that it is known which of them any character is in.</summary>
    private (string Pattern, CodePointText CodePoints) SpellSets()
    {
        int[] starts =
        [
            .. _sets.SelectMany(set => set.Ranges).SelectMany(r => new[] { r.First, r.Last + 1 })
                .Where(point => point is > 0xFFFF and <= 0x10FFFF).Append(0x10000).Distinct().Order(),
        ];
        Dictionary<string, char> byMembership = new(StringComparer.Ordinal);
        char[] units = Array.ConvertAll(starts, start =>
        {
            string membership = string.Concat(_sets.Select(set => set.Contains(start) ? '1' : '0'));
            if (!byMembership.TryGetValue(membership, out char unit))
            {
                unit = byMembership.Count < MaxStandIns
                    ? (char)(FirstStandIn + byMembership.Count)
                    : throw Refuse("too many classes");
                byMembership.Add(membership, unit);
            }

            return unit;
        });
        StringBuilder pattern = new();
        foreach (char c in _target.ToString())
        {
            if (c < FirstPlaceholder)
            {
                pattern.Append(c);
                continue;
            }

            int index = c - FirstPlaceholder;
            AppendClass(
                pattern, _sets[index], byMembership.Where(m => m.Key[index] == '1').Select(m => (int)m.Value));
        }

        return (pattern.ToString(), new CodePointText(starts, units));
    }

    private static void AppendClass(StringBuilder pattern, CodePointSet set, IEnumerable<int> standIns)
    {
        CodePointSet basic = set.Intersect(Ranges((0, FirstStandIn - 1), (0xE000, 0xFFFF)));
        CodePointSet all = standIns.Aggregate(basic, (sum, unit) => sum.Union(CodePointSet.Range(unit, unit)));
        if (all.Ranges.Count == 0)
        {
            pattern.Append("(?!)");
            return;
        }

        pattern.Append('[');
        foreach ((int first, int last) in all.Ranges)
        {
            pattern.Append($"\\u{first:X4}-\\u{last:X4}");
        }

        pattern.Append(']');
    }
}
