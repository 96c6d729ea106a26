using System.Globalization;

namespace Octavo.Text.Pipeline;

/// <summary>The character properties that normalization needs, read once from the embedded table.</summary>
internal sealed class NormalizationData
{
    // Hangul syllables compose and decompose by arithmetic (Unicode, section 3.12).
    private const int SyllableBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TailBase = 0x11A7;
    private const int Leads = 19, Vowels = 21, Tails = 28, Syllables = Leads * Vowels * Tails;

    private static readonly Lazy<NormalizationData> s_instance = new(() => new NormalizationData());

    private readonly Dictionary<int, Decomposition> _decompositions = [];
    private readonly Dictionary<int, byte> _classes = [];
    private readonly Dictionary<(int First, int Second), int> _compositions = [];
    private readonly HashSet<int> _seconds = [];

    private NormalizationData()
    {
        using Stream table = typeof(NormalizationData).Assembly.GetManifestResourceStream("UnicodeNormalization.txt")
            ?? throw new InvalidOperationException("the table of normalization data is missing from the assembly");
        using StreamReader reader = new(table);
        while (reader.ReadLine() is { } line)
        {
            Read(line);
        }
    }

    private readonly record struct Decomposition(int[] Into, bool Compatible, bool Excluded);

    public static NormalizationData Instance => s_instance.Value;

    public int CombiningClass(int codePoint) => _classes.GetValueOrDefault(codePoint);

    /// <summary>Appends the full decomposition of a code point.</summary>
    public void Decompose(int codePoint, bool compatible, List<int> into)
    {
        int syllable = codePoint - SyllableBase;
        if ((uint)syllable < Syllables)
        {
            into.Add(LeadBase + (syllable / (Vowels * Tails)));
            into.Add(VowelBase + (syllable % (Vowels * Tails) / Tails));
            if (syllable % Tails != 0)
            {
                into.Add(TailBase + (syllable % Tails));
            }
        }
        else if (_decompositions.TryGetValue(codePoint, out Decomposition found) && (compatible || !found.Compatible))
        {
            foreach (int part in found.Into)
            {
                Decompose(part, compatible, into);
            }
        }
        else
        {
            into.Add(codePoint);
        }
    }

    /// <summary>The primary composite of two code points, or null.</summary>
    public int? Compose(int first, int second)
    {
        int lead = first - LeadBase;
        int vowel = second - VowelBase;
        if ((uint)lead < Leads && (uint)vowel < Vowels)
        {
            return SyllableBase + (((lead * Vowels) + vowel) * Tails);
        }

        int syllable = first - SyllableBase;
        int tail = second - TailBase;
        if ((uint)syllable < Syllables && syllable % Tails == 0 && tail is > 0 and < Tails)
        {
            return first + tail;
        }

        return _compositions.TryGetValue((first, second), out int composed) ? composed : null;
    }

    /// <summary>Whether a text of nothing but such characters is already normalized.</summary>
    public bool IsInert(int codePoint, bool compose, bool compatible)
    {
        if (_classes.ContainsKey(codePoint))
        {
            return false;
        }

        if (_decompositions.TryGetValue(codePoint, out Decomposition found)
            && (found.Compatible ? compatible : !compose || compatible || found.Excluded))
        {
            return false;
        }

        return compose
            ? !_seconds.Contains(codePoint)
                && (uint)(codePoint - VowelBase) >= Vowels && (uint)(codePoint - TailBase) >= Tails
            : (uint)(codePoint - SyllableBase) >= Syllables;
    }

    private void Read(string line)
    {
        if (line[0] == '#')
        {
            return;
        }

        bool compatible = line[0] == '~';
        bool excluded = line[0] == '!';
        if (line[0] == '@')
        {
            ReadClass(line[1..].Split(' '));
            return;
        }

        int[] codePoints = Array.ConvertAll((compatible || excluded ? line[1..] : line).Split(' '), Hexadecimal);
        _decompositions.Add(codePoints[0], new Decomposition(codePoints[1..], compatible, excluded));
        if (!compatible && !excluded)
        {
            _compositions.Add((codePoints[1], codePoints[2]), codePoints[0]);
            _seconds.Add(codePoints[2]);
        }
    }

    private void ReadClass(string[] fields)
    {
        byte combiningClass = byte.Parse(fields[0], CultureInfo.InvariantCulture);
        foreach (string range in fields.AsSpan(1))
        {
            string[] ends = range.Split('-');
            for (int c = Hexadecimal(ends[0]); c <= Hexadecimal(ends[^1]); c++)
            {
                _classes.Add(c, combiningClass);
            }
        }
    }

    private static int Hexadecimal(string digits) =>
        int.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
