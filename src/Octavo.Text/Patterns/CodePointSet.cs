using System.Globalization;

namespace Octavo.Text.Patterns;

/// <summary>A set of code points, as ranges in order, none of which touches another.</summary>
internal sealed class CodePointSet
{
    private const int Last = 0x10FFFF;

    private static readonly Lazy<List<(int First, int Last)>[]> s_categories = new(ReadCategories);

    private CodePointSet(List<(int First, int Last)> ranges) => Ranges = ranges;

    public static CodePointSet Empty { get; } = new([]);

    public IReadOnlyList<(int First, int Last)> Ranges { get; }

    public static CodePointSet Range(int first, int last) => new([(first, last)]);

    /// <summary>Of general categories, by the letters that their names begin with: <c>L</c>, <c>Nd</c>.</summary>
    public static CodePointSet Category(string name) => Join(
        s_categories.Value.Where((_, i) => NameOf((UnicodeCategory)i).StartsWith(name, StringComparison.Ordinal))
            .SelectMany(ranges => ranges));

    /// <summary>Of a script; null for none of that name.</summary>
    public static CodePointSet? Script(string name) =>
        UnicodeScripts.RangesOf(name) is { } ranges ? Join(ranges) : null;

    public bool Contains(int point)
    {
        int i = IndexEndingAt(point);
        return i < Ranges.Count && Ranges[i].First <= point;
    }

    public CodePointSet Union(CodePointSet other) => Join(Ranges.Concat(other.Ranges));

    public CodePointSet Intersect(CodePointSet other) => Complement().Union(other.Complement()).Complement();

    public CodePointSet Complement()
    {
        List<(int, int)> ranges = [];
        int next = 0;
        foreach ((int first, int last) in Ranges)
        {
            if (first > next)
            {
                ranges.Add((next, first - 1));
            }

            next = last + 1;
        }

        if (next <= Last)
        {
            ranges.Add((next, Last));
        }

        return new CodePointSet(ranges);
    }

    private static CodePointSet Join(IEnumerable<(int First, int Last)> unordered)
    {
        List<(int First, int Last)> ranges = [];
        foreach ((int first, int last) in unordered.OrderBy(r => r.First))
        {
            if (ranges.Count > 0 && first <= ranges[^1].Last + 1)
            {
                ranges[^1] = (ranges[^1].First, Math.Max(ranges[^1].Last, last));
            }
            else
            {
                ranges.Add((first, last));
            }
        }

        return new CodePointSet(ranges);
    }

    private int IndexEndingAt(int point)
    {
        int low = 0, high = Ranges.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = Ranges[middle].Last >= point ? (low, middle) : (middle + 1, high);
        }

        return low;
    }

    private static List<(int First, int Last)>[] ReadCategories()
    {
        var ranges = new List<(int First, int Last)>[Enum.GetValues<UnicodeCategory>().Length];
        for (int i = 0; i < ranges.Length; i++)
        {
            ranges[i] = [];
        }

        int start = 0;
        for (int point = 1; point <= Last + 1; point++)
        {
            UnicodeCategory category = CharUnicodeInfo.GetUnicodeCategory(start);
            if (point > Last || CharUnicodeInfo.GetUnicodeCategory(point) != category)
            {
                ranges[(int)category].Add((start, point - 1));
                start = point;
            }
        }

        return ranges;
    }

    private static string NameOf(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => "Lu",
        UnicodeCategory.LowercaseLetter => "Ll",
        UnicodeCategory.TitlecaseLetter => "Lt",
        UnicodeCategory.ModifierLetter => "Lm",
        UnicodeCategory.OtherLetter => "Lo",
        UnicodeCategory.NonSpacingMark => "Mn",
        UnicodeCategory.SpacingCombiningMark => "Mc",
        UnicodeCategory.EnclosingMark => "Me",
        UnicodeCategory.DecimalDigitNumber => "Nd",
        UnicodeCategory.LetterNumber => "Nl",
        UnicodeCategory.OtherNumber => "No",
        UnicodeCategory.SpaceSeparator => "Zs",
        UnicodeCategory.LineSeparator => "Zl",
        UnicodeCategory.ParagraphSeparator => "Zp",
        UnicodeCategory.Control => "Cc",
        UnicodeCategory.Format => "Cf",
        UnicodeCategory.Surrogate => "Cs",
        UnicodeCategory.PrivateUse => "Co",
        UnicodeCategory.ConnectorPunctuation => "Pc",
        UnicodeCategory.DashPunctuation => "Pd",
        UnicodeCategory.OpenPunctuation => "Ps",
        UnicodeCategory.ClosePunctuation => "Pe",
        UnicodeCategory.InitialQuotePunctuation => "Pi",
        UnicodeCategory.FinalQuotePunctuation => "Pf",
        UnicodeCategory.OtherPunctuation => "Po",
        UnicodeCategory.MathSymbol => "Sm",
        UnicodeCategory.CurrencySymbol => "Sc",
        UnicodeCategory.ModifierSymbol => "Sk",
        UnicodeCategory.OtherSymbol => "So",
        UnicodeCategory.OtherNotAssigned => "Cn",
    };
}
