using System.Globalization;

namespace Octavo.Cli.Tokenize;

/// <summary>Tokens for people: a line each with id, bytes and text.</summary>
internal static class TokenTable
{
    private const string Reset = "\e[0m";
    private const string Special = "\e[2m";
    private const int MostBytesInLine = 24; // longer ones push what stands behind them aside

    // Backgrounds of the 256 colours that dark letters can be read on, so that neighbours differ.
    private static readonly string[] Colors =
        ["\e[30;48;5;153m", "\e[30;48;5;157m", "\e[30;48;5;229m", "\e[30;48;5;217m", "\e[30;48;5;183m"];

    /// <summary>Writes the lines.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="tokens">The tokens.</param>
    /// <param name="vocabSize">One more than the highest id: how wide ids can be.</param>
    /// <param name="colored">
    /// Whether texts get a colour, token by token in turn, and the whole text is shown in these first.
    /// </param>
    public static void Write(TextWriter output, IReadOnlyList<TokenView> tokens, int vocabSize, bool colored)
    {
        if (colored && tokens.Count > 0)
        {
            for (int i = 0; i < tokens.Count; i++)
            {
                // A line ends where the text's does, and the colour with it.
                string quoted = tokens[i].Quoted;
                output.Write(Paint(tokens[i].IsSpecial ? quoted : quoted[1..^1], i, tokens[i].IsSpecial));
                output.Write(tokens[i].Bytes.AsSpan().Contains((byte)'\n') ? "\n" : "");
            }

            output.Write("\n\n");
        }

        int idWidth = Math.Max(1, vocabSize - 1).ToString(CultureInfo.InvariantCulture).Length;
        int bytesWidth = Math.Min(MostBytesInLine, tokens.Select(t => t.Hex.Length).DefaultIfEmpty().Max());
        for (int i = 0; i < tokens.Count; i++)
        {
            TokenView token = tokens[i];
            output.Write(token.Id.ToString(CultureInfo.InvariantCulture).PadLeft(idWidth));
            output.Write("  " + token.Hex.PadRight(bytesWidth) + "  ");
            output.Write((colored ? Paint(token.Quoted, i, token.IsSpecial) : token.Quoted) + "\n");
        }
    }

    private static string Paint(string text, int index, bool special) =>
        (special ? Special : Colors[index % Colors.Length]) + text + Reset;
}
