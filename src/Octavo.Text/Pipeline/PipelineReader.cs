using System.Text;
using Octavo.Text.Json;
using Octavo.Text.Models;
using Octavo.Text.Patterns;

namespace Octavo.Text.Pipeline;

/// <summary>Builds the stages from the <c>normalizer</c> and <c>pre_tokenizer</c> of a tokenizer.json.</summary>
// To add a stage: a class beside the others, and a line in ReadNormalizer or ReadStage.
internal static class PipelineReader
{
    // Source: https://github.com/openai/gpt-2/blob/master/src/encoder.py
    private const string Gpt2Expression =
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private const string SupportedNormalizers =
        "BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled, Prepend, Replace, Sequence, "
        + "Strip, StripAccents";

    private const string SupportedPreTokenizers =
        "BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, FixedLength, Metaspace, Punctuation, Sequence, "
        + "Split, UnicodeScripts, Whitespace, WhitespaceSplit";

    public static Normalizer? ReadNormalizer(JsonField? field)
    {
        if (field is not { } normalizer)
        {
            return null;
        }

        JsonField type = normalizer.Require("type");
        return type.AsString() switch
        {
            "BertNormalizer" => ReadBertNormalizer(normalizer),
            "ByteLevel" => new ByteLevelNormalizer(),
            "Lowercase" => new LowercaseNormalizer(),
            "NFC" => new UnicodeFormNormalizer(NormalizationForm.FormC),
            "NFD" => new UnicodeFormNormalizer(NormalizationForm.FormD),
            "NFKC" => new UnicodeFormNormalizer(NormalizationForm.FormKC),
            "NFKD" => new UnicodeFormNormalizer(NormalizationForm.FormKD),
            "Nmt" => new NmtNormalizer(),
            "Precompiled" => ReadPrecompiled(normalizer.Find("precompiled_charsmap")),
            "Prepend" => new PrependNormalizer(normalizer.Require("prepend").AsString()),
            "Replace" => new ReplaceNormalizer(
                ReadPattern(normalizer.Require("pattern")),
                normalizer.Require("content").AsString()),
            "Sequence" => new SequenceNormalizer(
                [.. normalizer.Require("normalizers").Items().Select(item => ReadNormalizer(item)!)]),
            "Strip" => new StripNormalizer(
                normalizer.BoolOr("strip_left", true), normalizer.BoolOr("strip_right", true)),
            "StripAccents" => new StripAccentsNormalizer(),
            string other =>
                throw type.Error($"the normalizer '{other}' is not supported; supported: {SupportedNormalizers}"),
        };
    }

    /// <summary>The chain of stages that ends in the model.</summary>
    /// <param name="field">The pre-tokenizer; null where the whole text is one piece.</param>
    /// <param name="model">The end of the chain, for pieces spelled as they are.</param>
    /// <param name="bytesModel">
    /// The same for pieces that a ByteLevel would have spelled in its alphabet but did not; null where there is none.
    /// </param>
    public static TextStage ReadPreTokenizer(JsonField? field, Func<TextStage> model, Func<TextStage>? bytesModel)
    {
        List<JsonField> parts = [];
        if (field is { } preTokenizer)
        {
            Flatten(preTokenizer, parts);
        }

        int byteLevels = parts.Count(IsByteLevel);
        bool unspelled = bytesModel is not null && byteLevels == 1 && IsByteLevel(parts[^1]);
        TextStage stage = unspelled ? bytesModel!() : model();
        for (int i = parts.Count - 1; i >= 0; i--)
        {
            if (IsByteLevel(parts[i]) && !unspelled)
            {
                stage = new ByteSpellingStage(stage);
            }

            stage = ReadStage(parts[i], stage);
        }

        return stage;
    }

    public static TextPattern ReadPattern(JsonField field)
    {
        if (field.Find("String") is { } literal)
        {
            return new LiteralPattern(literal.AsString());
        }

        if (field.Find("Regex") is not { } expression)
        {
            throw field.Error("expected {\"String\": …} or {\"Regex\": …}");
        }

        return ReadExpression(expression);
    }

    /// <summary>An expression as a field holds it.</summary>
    public static TextPattern ReadExpression(JsonField expression, bool rust = false)
    {
        try
        {
            return TextPattern.Expression(expression.AsString(), rust);
        }
        catch (FormatException e)
        {
            throw expression.Error(e.Message, e);
        }
    }

    /// <summary>The character that stands for a blank.</summary>
    public static string ReadReplacement(JsonField metaspace)
    {
        string replacement = metaspace.StringOr("replacement", "▁");
        return replacement.EnumerateRunes().Count() == 1
            ? replacement
            : throw metaspace.Require("replacement").Error("expected one character");
    }

    public static PrependScheme ReadPrependScheme(JsonField metaspace)
    {
        // Files older than the field have add_prefix_space.
        if (metaspace.Find("prepend_scheme") is not { } scheme)
        {
            return metaspace.BoolOr("add_prefix_space", true) ? PrependScheme.Always : PrependScheme.Never;
        }

        return scheme.AsString() switch
        {
            "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            string other => throw scheme.Error($"'{other}' is not supported; supported: always, first, never"),
        };
    }

    /// <summary>The words of GPT-2's byte-level BPE.</summary>
    public static TextStage Gpt2Words(bool addPrefixSpace, TextStage next)
    {
        TextStage words =
            SplitStage.Make(TextPattern.Expression(Gpt2Expression), SplitBehavior.Isolated, invert: false, next);
        return addPrefixSpace ? new PrefixSpaceStage(words) : words;
    }

    /// <summary>The words of BERT: at blanks, and each punctuation character by itself.</summary>
    public static TextStage BertWords(TextStage next) => new SplitStage(
        new CharacterPattern(CharacterClasses.IsSpace),
        SplitBehavior.Removed,
        invert: false,
        new SplitStage(
            new CharacterPattern(CharacterClasses.IsPunctuation), SplitBehavior.Isolated, invert: false, next));

    private static bool IsByteLevel(JsonField part) => part.Require("type").AsString() == "ByteLevel";

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

    private static BertNormalizer ReadBertNormalizer(JsonField normalizer)
    {
        bool lowercase = normalizer.BoolOr("lowercase", true);
        return new BertNormalizer(
            normalizer.BoolOr("clean_text", true),
            normalizer.BoolOr("handle_chinese_chars", true),
            normalizer.BoolOr("strip_accents", lowercase),
            lowercase);
    }

    private static Normalizer? ReadPrecompiled(JsonField? map)
    {
        if (map is not { } field || field.AsString().Length == 0)
        {
            return null;
        }

        try
        {
            return new PrecompiledNormalizer(
                PrecompiledCharacterMap.Read(Convert.FromBase64String(field.AsString())));
        }
        catch (FormatException e)
        {
            throw field.Error(e.Message, e);
        }
    }

    private static TextStage ReadStage(JsonField field, TextStage next)
    {
        JsonField type = field.Require("type");
        switch (type.AsString())
        {
            case "BertPreTokenizer":
                return BertWords(next);
            case "ByteLevel":
                bool addPrefixSpace = field.BoolOr("add_prefix_space", true);
                return field.BoolOr("use_regex", true) ? Gpt2Words(addPrefixSpace, next)
                    : addPrefixSpace ? new PrefixSpaceStage(next)
                    : next;
            case "CharDelimiterSplit":
                return new SplitStage(
                    new LiteralPattern(field.Require("delimiter").AsString()),
                    SplitBehavior.Removed,
                    invert: false,
                    next);
            case "Digits":
                return new DigitsStage(field.BoolOr("individual_digits", false), next);
            case "FixedLength":
                JsonField? length = field.Find("length");
                return new FixedLengthStage(
                    length?.AsInt() is not <= 0 ? length?.AsInt() ?? 5 : throw length.Value.Error("must be positive"),
                    next);
            case "Metaspace":
                return new MetaspaceStage(
                    ReadReplacement(field), ReadPrependScheme(field), field.BoolOr("split", true), next);
            case "Punctuation":
                return new SplitStage(
                    new CharacterPattern(CharacterClasses.IsPunctuation),
                    field.Find("behavior") is { } behavior ? ReadBehavior(behavior) : SplitBehavior.Isolated,
                    invert: false,
                    next);
            case "Split":
                return SplitStage.Make(
                    ReadPattern(field.Require("pattern")),
                    ReadBehavior(field.Require("behavior")),
                    field.BoolOr("invert", false),
                    next);
            case "UnicodeScripts":
                return new ScriptStage(next);
            case "Whitespace":
                return new SplitStage(
                    new RunPattern(rune =>
                        CharacterClasses.IsWord(rune) ? 1 : CharacterClasses.IsSpace(rune) ? 0 : 2),
                    SplitBehavior.Removed,
                    invert: true,
                    next);
            case "WhitespaceSplit":
                return new SplitStage(
                    new CharacterPattern(CharacterClasses.IsSpace), SplitBehavior.Removed, invert: false, next);
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
}
