using System.Text.Json;
using Octavo.Text;

namespace Octavo.Quantization;

/// <summary>
/// Documents to evaluate or calibrate on: plain text, in which a line that holds only <c>&lt;|endoftext|&gt;</c>
/// separates documents, or JSONL with a string in the field <c>text</c> of each line.
/// </summary>
public static class TextCorpus
{
    private const string Separator = "<|endoftext|>";

    /// <summary>Reads the documents of a file; <c>.jsonl</c> is JSONL, anything else plain text.</summary>
    /// <exception cref="QuantizationException">The file is missing, empty, or not what its name says.</exception>
    public static IReadOnlyList<string> Read(string path)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new QuantizationException($"{path}: the text cannot be read: {e.Message}", e);
        }

        bool jsonLines = path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase);
        string[] documents =
            [.. (jsonLines ? FromJsonLines(path, lines) : FromPlainText(lines)).Where(d => d.Length > 0)];
        return documents.Length > 0 ? documents : throw new QuantizationException($"{path}: there is no text in it");
    }

    /// <summary>
    /// The tokens of each document, each behind the token that begins a text, where the model has one.
    /// </summary>
    public static IReadOnlyList<int[]> Tokenize(
        IReadOnlyList<string> documents, Tokenizer tokenizer, int? beginningOfText)
    {
        ArgumentNullException.ThrowIfNull(documents);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return [.. documents.Select(Ids)];

        int[] Ids(string document)
        {
            int[] ids = tokenizer.Encode(document, addSpecialTokens: false);
            return beginningOfText is { } begin ? [begin, .. ids] : ids;
        }
    }

    private static IEnumerable<string> FromPlainText(string[] lines)
    {
        List<string> document = [];
        foreach (string line in lines)
        {
            if (line.Trim() == Separator)
            {
                yield return string.Join('\n', document).Trim();
                document.Clear();
            }
            else
            {
                document.Add(line);
            }
        }

        yield return string.Join('\n', document).Trim();
    }

    private static IEnumerable<string> FromJsonLines(string path, string[] lines)
    {
        for (int i = 0; i < lines.Length; i++)
        {
            if (!string.IsNullOrWhiteSpace(lines[i]))
            {
                yield return TextOf(path, i + 1, lines[i]);
            }
        }
    }

    private static string TextOf(string path, int number, string line)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(line);
            if (json.RootElement.ValueKind == JsonValueKind.Object
                && json.RootElement.TryGetProperty("text", out JsonElement text)
                && text.ValueKind == JsonValueKind.String)
            {
                return text.GetString()!;
            }
        }
        catch (JsonException e)
        {
            throw new QuantizationException($"{path}: line {number} is not JSON: {e.Message}", e);
        }

        throw new QuantizationException($"{path}: line {number} has no string in its field \"text\"");
    }
}
