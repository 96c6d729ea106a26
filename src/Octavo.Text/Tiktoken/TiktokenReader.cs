using System.Buffers.Text;
using System.Text;
using Octavo.Text.Decoding;
using Octavo.Text.Files;
using Octavo.Text.Models;
using Octavo.Text.Patterns;
using Octavo.Text.Pipeline;
using Octavo.Text.Tokens;

namespace Octavo.Text.Tiktoken;

/// <summary>Reads a file of ranks: a line for each token, its bytes in base64 and its rank.</summary>
internal static class TiktokenReader
{
    /// <summary>Whether a file begins as one.</summary>
    public static bool Recognizes(ReadOnlySpan<byte> file)
    {
        int end = file.IndexOf((byte)'\n');
        ReadOnlySpan<byte> line = end < 0 ? file : file[..end];
        int space = line.IndexOf((byte)' ');
        return space > 0 && Base64.IsValid(line[..space])
            && Utf8Parser.TryParse(line[(space + 1)..], out int _, out int digits)
            && line[(space + 1 + digits)..].Trim((byte)'\r').IsEmpty;
    }

    public static TokenizerParts Read(
        string path, byte[] file, TokenizerConfig config, TiktokenEncoding? encoding = null)
    {
        try
        {
            byte[][] tokens = ReadRanks(file);
            encoding ??= TiktokenEncoding.Of(tokens.Length);
            return Make(
                tokens,
                0,
                TextPattern.Expression(encoding.Expression, rust: true),
                [.. encoding.SpecialTokens.Select(
                    t => new AddedToken(t.Value, t.Key, true, false, false, false, Normalized: false))],
                PostProcessor.None,
                config);
        }
        catch (FormatException e)
        {
            throw new TokenizerFormatException(path, "$", $"not a file of ranks: {e.Message}", e);
        }
    }

    /// <summary>A tokenizer of ranked tokens, as this format and tekken.json have it.</summary>
    public static TokenizerParts Make(
        IReadOnlyList<byte[]> tokens,
        int firstId,
        TextPattern pattern,
        AddedToken[] special,
        PostProcessor around,
        TokenizerConfig config)
    {
        ModelParts model = RankVocabulary.Make(tokens, firstId);
        return TokenizerParts.Make(
            model.Vocab,
            AddedTokenList.Merge(special, config, model.Vocab),
            normalizer: null,
            SplitStage.Make(pattern, SplitBehavior.Isolated, invert: false, new ModelStage(model.BytesModel!())),
            around,
            new ByteLevelDecoder());
    }

    private static byte[][] ReadRanks(byte[] file)
    {
        List<(byte[] Token, int Rank)> lines = [];
        int highest = -1;
        int number = 0;
        foreach (ReadOnlySpan<char> line in Encoding.UTF8.GetString(file).AsSpan().EnumerateLines())
        {
            number++;
            if (line.IsWhiteSpace())
            {
                continue;
            }

            int space = line.IndexOf(' ');
            if (space < 0
                || !int.TryParse(line[(space + 1)..].Trim(), out int rank)
                || rank is < 0 or > Vocabulary.MaxId)
            {
                throw new FormatException(FormattableString.Invariant($"line {number}: expected a token and a rank"));
            }

            lines.Add((Convert.FromBase64String(line[..space].ToString()), rank));
            highest = Math.Max(highest, rank);
        }

        // Ranks far beyond the number of lines are no vocabulary's.
        if (highest >= (lines.Count * 2) + 1024)
        {
            throw new FormatException(FormattableString.Invariant($"rank {highest} with {lines.Count} tokens"));
        }

        byte[][] tokens = new byte[highest + 1][];
        Array.Fill(tokens, []);
        foreach ((byte[] token, int rank) in lines)
        {
            tokens[rank] = tokens[rank].Length == 0
                ? token
                : throw new FormatException(FormattableString.Invariant($"rank {rank} comes twice"));
        }

        return tokens;
    }
}
