using Octavo.Text.Files;
using Octavo.Text.Json;
using Octavo.Text.Pipeline;
using Octavo.Text.Tokens;

namespace Octavo.Text.Tiktoken;

/// <summary>
/// Reads Mistral's tekken.json: ranked tokens after the special ones. Source: mistral-common's <c>tekken.py</c>.
/// </summary>
internal static class TekkenReader
{
    // Files without a list have these.
    private static readonly string[] s_specialTokens =
    [
        "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",
        "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
    ];

    public static TokenizerParts Read(JsonField root, TokenizerConfig config)
    {
        JsonField settings = root.Require("config");
        JsonField size = settings.Require("default_vocab_size");
        JsonField numSpecial = settings.Require("default_num_special_tokens");
        if (numSpecial.AsCount() > size.AsCount() || size.AsCount() > Vocabulary.MaxId)
        {
            throw numSpecial.Error("expected no more special tokens than tokens");
        }

        string[] special = ReadSpecial(root.Find("special_tokens"), numSpecial);
        JsonField vocab = root.Require("vocab");
        byte[][] tokens =
            [.. vocab.Items().Take(size.AsCount() - numSpecial.AsCount()).Select(ReadToken)];
        try
        {
            // <s> goes first, as mistral-common puts it before a prompt.
            int bos = Array.IndexOf(special, "<s>");
            int eos = Array.IndexOf(special, "</s>");
            return TiktokenReader.Make(
                tokens,
                special.Length,
                PipelineReader.ReadExpression(settings.Require("pattern"), rust: true),
                [.. special.Index().Select(
                    t => new AddedToken(t.Index, t.Item, true, false, false, false, Normalized: false))],
                config.Around(bos < 0 ? null : bos, eos < 0 ? null : eos, addBos: true),
                config) with
            { SplitsSpecialTokens = true };
        }
        catch (FormatException e)
        {
            throw vocab.Error(e.Message, e);
        }
    }

    private static string[] ReadSpecial(JsonField? list, JsonField count)
    {
        string?[] special = new string?[count.AsCount()];
        if (list is { } field)
        {
            foreach (JsonField entry in field.Items())
            {
                JsonField rank = entry.Require("rank");
                if (rank.AsCount() >= special.Length)
                {
                    throw rank.Error("it is beyond config.default_num_special_tokens");
                }

                special[rank.AsInt()] = entry.Require("token_str").AsString();
            }
        }
        else
        {
            Array.Copy(s_specialTokens, special, Math.Min(special.Length, s_specialTokens.Length));
        }

        return [.. special.Select((token, i) => token ?? FormattableString.Invariant($"<SPECIAL_{i}>"))];
    }

    private static byte[] ReadToken(JsonField entry, int place)
    {
        JsonField bytes = entry.Require("token_bytes");
        JsonField rank = entry.Require("rank");
        if (rank.AsInt() != place)
        {
            throw rank.Error(FormattableString.Invariant($"expected ranks in order, here {place}"));
        }

        try
        {
            return Convert.FromBase64String(bytes.AsString());
        }
        catch (FormatException e)
        {
            throw bytes.Error("not base64", e);
        }
    }
}
