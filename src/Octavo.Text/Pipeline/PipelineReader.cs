using System.Text;
using Octavo.Text.Json;
using Octavo.Text.Patterns;

namespace Octavo.Text.Pipeline;

/// <summary>Builds the stages from the <c>normalizer</c> and <c>pre_tokenizer</c> of a tokenizer.json.</summary>
internal static class PipelineReader
{
    // Source: https://github.com/openai/gpt-2/blob/master/src/encoder.py
    private const string Gpt2Expression =
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private const string SupportedNormalizers = "NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Sequence";
    private const string SupportedPreTokenizers =
        "ByteLevel, Split, Digits, and a Sequence of them in which ByteLevel comes once, and last";

    public static Normalizer? ReadNormalizer(JsonField? field)
    {
        if (field is not { } normalizer)
        {
            return null;
        }

        JsonField type = normalizer.Require("type");
        return type.AsString() switch
        {
            "NFC" => new UnicodeFormNormalizer(NormalizationForm.FormC),
            "NFD" => new UnicodeFormNormalizer(NormalizationForm.FormD),
            "NFKC" => new UnicodeFormNormalizer(NormalizationForm.FormKC),
            "NFKD" => new UnicodeFormNormalizer(NormalizationForm.FormKD),
            "Lowercase" => new LowercaseNormalizer(),
            "Prepend" => new PrependNormalizer(normalizer.Require("prepend").AsString()),
            "Replace" => new ReplaceNormalizer(
                ReadPattern(normalizer.Require("pattern")),
                normalizer.Require("content").AsString()),
            "Sequence" => new SequenceNormalizer(
                [.. normalizer.Require("normalizers").Items().Select(item => ReadNormalizer(item)!)]),
            string other =>
                throw type.Error($"the normalizer '{other}' is not supported; supported: {SupportedNormalizers}"),
        };
    }

    /// <summary>The chain of stages that ends in <paramref name="last"/>.</summary>
    public static TextStage ReadPreTokenizer(JsonField? field, JsonField root, TextStage last)
    {
        if (field is not { } preTokenizer)
        {
            throw new TokenizerFormatException(
                root.File,
                "pre_tokenizer",
                $"a byte-level tokenizer needs one; supported: {SupportedPreTokenizers}");
        }

        List<JsonField> parts = [];
        Flatten(preTokenizer, parts);
        TextStage stage = last;
        for (int i = parts.Count - 1; i >= 0; i--)
        {
            JsonField type = parts[i].Require("type");
            bool isByteLevel = type.AsString() == "ByteLevel";
            if (isByteLevel != (i == parts.Count - 1))
            {
                throw (isByteLevel ? type : preTokenizer).Error($"supported: {SupportedPreTokenizers}");
            }

            stage = ReadStage(parts[i], type, stage);
        }

        return parts.Count > 0 ? stage : throw preTokenizer.Error($"it is empty; supported: {SupportedPreTokenizers}");
    }

    private static void Flatten(JsonField field, List<JsonField> parts)
    {
        if (field.Require("type").AsString() != "Sequence")
        {
            parts.Add(field);
            return;
        }

        foreach (JsonField part in field.Require("pretokenizers").Items())
        {
            Flatten(part, parts);
        }
    }

    private static TextStage ReadStage(JsonField field, JsonField type, TextStage next)
    {
        switch (type.AsString())
        {
            case "ByteLevel":
                TextStage words = field.BoolOr("use_regex", true)
                    ? new SplitStage(new RegexPattern(Gpt2Expression), SplitBehavior.Isolated, invert: false, next)
                    : next;
                return field.BoolOr("add_prefix_space", true) ? new PrefixSpaceStage(words) : words;
            case "Digits":
                return new DigitsStage(field.BoolOr("individual_digits", false), next);
            case "Split":
                return new SplitStage(
                    ReadPattern(field.Require("pattern")),
                    ReadBehavior(field.Require("behavior")),
                    field.BoolOr("invert", false),
                    next);
            default:
                string other = type.AsString();
                throw type.Error($"the pre-tokenizer '{other}' is not supported; supported: {SupportedPreTokenizers}");
        }
    }

    private static SplitBehavior ReadBehavior(JsonField field) => field.AsString() switch
    {
        "Removed" => SplitBehavior.Removed,
        "Isolated" => SplitBehavior.Isolated,
        "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" => SplitBehavior.MergedWithNext,
        "Contiguous" => SplitBehavior.Contiguous,
        string other => throw field.Error(
            $"the behavior '{other}' is not supported; supported: " +
            "Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous"),
    };

    private static TextPattern ReadPattern(JsonField field)
    {
        if (field.Find("String") is { } literal)
        {
            return new LiteralPattern(literal.AsString());
        }

        if (field.Find("Regex") is not { } expression)
        {
            throw field.Error("expected {\"String\": …} or {\"Regex\": …}");
        }

        try
        {
            return new RegexPattern(expression.AsString());
        }
        catch (FormatException e)
        {
            throw expression.Error(e.Message, e);
        }
    }
}
