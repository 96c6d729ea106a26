using System.Globalization;
using System.Text;

namespace Octavo.Text.Patterns;

/// <summary>The script of each character, with the kana counted as Han, read once from the embedded table.</summary>
internal static class UnicodeScripts
{
    /// <summary>Of a blank, and of characters without a script.</summary>
    public const int Any = 0;

    private static readonly Dictionary<string, string> s_short = new()
    {
        ["arab"] = "arabic",
        ["beng"] = "bengali",
        ["bopo"] = "bopomofo",
        ["cyrl"] = "cyrillic",
        ["deva"] = "devanagari",
        ["grek"] = "greek",
        ["hang"] = "hangul",
        ["hani"] = "han",
        ["hebr"] = "hebrew",
        ["hira"] = "hiragana",
        ["kana"] = "katakana",
        ["khmr"] = "khmer",
        ["laoo"] = "lao",
        ["latn"] = "latin",
        ["mymr"] = "myanmar",
        ["taml"] = "tamil",
        ["telu"] = "telugu",
        ["zinh"] = "inherited",
        ["zyyy"] = "common",
    };

    private static readonly Lazy<(int[] Starts, int[] Scripts, List<string> Names)> s_table = new(Read);

    /// <summary>A number for the script.</summary>
    public static int Of(Rune rune)
    {
        if (rune.Value == ' ')
        {
            return Any;
        }

        (int[] starts, int[] scripts, List<string> names) = s_table.Value;
        int found = Array.BinarySearch(starts, rune.Value);
        int script = scripts[found >= 0 ? found : ~found - 1];
        return rune.Value == 0x30FC || names[script] is "Hiragana" or "Katakana" ? names.IndexOf("Han") : script;
    }

    /// <summary>
    /// The ranges of a script, by its long name or, for those that expressions name, its short one; however it is
    /// written. Null for none of that name.
    /// </summary>
    public static IEnumerable<(int First, int Last)>? RangesOf(string name)
    {
        (int[] starts, int[] scripts, List<string> names) = s_table.Value;
        string loose = Loose(name);
        loose = s_short.GetValueOrDefault(loose, loose);
        int script = names.FindIndex(1, n => Loose(n) == loose);
        return script < 0 ? null : Enumerable.Range(0, starts.Length).Where(i => scripts[i] == script)
            .Select(i => (starts[i], (i + 1 < starts.Length ? starts[i + 1] : 0x110000) - 1));

        static string Loose(string name) =>
            string.Concat(name.Where(c => c is not (' ' or '_' or '-'))).ToLowerInvariant();
    }

    // A line is "start name": from there to the next line's start. The first starts at 0; the name - is none.
    private static (int[] Starts, int[] Scripts, List<string> Names) Read()
    {
        using Stream table = typeof(UnicodeScripts).Assembly.GetManifestResourceStream("UnicodeScripts.txt")
            ?? throw new InvalidOperationException("the table of scripts is missing from the assembly");
        using StreamReader reader = new(table);
        List<int> starts = [];
        List<int> scripts = [];
        List<string> names = ["-"];
        while (reader.ReadLine() is { } line)
        {
            if (line[0] == '#')
            {
                continue;
            }

            string[] fields = line.Split(' ');
            starts.Add(int.Parse(fields[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
            if (!names.Contains(fields[1]))
            {
                names.Add(fields[1]);
            }

            scripts.Add(names.IndexOf(fields[1]));
        }

        return ([.. starts], [.. scripts], names);
    }
}
