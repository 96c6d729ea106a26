using System.Globalization;
using System.Text;

namespace Octavo.Text.Pipeline;

/// <summary>The script of each character, with the kana counted as Han, read once from the embedded table.</summary>
internal static class UnicodeScripts
{
    /// <summary>Of a blank, and of characters without a script.</summary>
    public const int Any = 0;

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
