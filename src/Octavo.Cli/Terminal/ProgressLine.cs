namespace Octavo.Cli.Terminal;

/// <summary>What is going on, in one line of standard error where a person looks.</summary>
internal static class ProgressLine
{
    private const int Width = 60;

    /// <summary>Shows a text in place of the one before; an empty one wipes the line.</summary>
    public static void Show(string text)
    {
        if (Stdio.ErrorIsTerminal)
        {
            string shown = text.Length == 0 ? string.Empty : text + " …";
            Stdio.Error.Write("\r" + shown.PadRight(Width) + (text.Length == 0 ? "\r" : string.Empty));
        }
    }
}
