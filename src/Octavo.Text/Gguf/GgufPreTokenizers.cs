using Octavo.Text.Tiktoken;

namespace Octavo.Text.Gguf;

/// <summary>How <c>tokenizer.ggml.pre</c> cuts text: expressions, each applied to what the one before left.</summary>
// To add one: a line here. Source: the tokenizer.json of the family; names: llama.cpp's converter.
internal static class GgufPreTokenizers
{
    private const string Gpt2 =
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private const string DeepSeekWords =
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
        + "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    // The letters that have a case, as the family's file spells them out: of most scripts, but not of mathematics.
    private const string DeepSeekLetters =
        "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF"
        + "\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5"
        + "\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA"
        + "\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45"
        + "\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE"
        + "\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102"
        + "\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139"
        + "\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3"
        + "\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06"
        + "\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\U00010400-\U0001044F\U000104B0-\U000104D3"
        + "\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2\U000118A0-\U000118DF"
        + "\U0001E900-\U0001E943";

    private const string DeepSeekIdeographs = "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+";

    // K2's tokenization_kimi.py: Han by itself, and words that are not.
    private const string Kimi =
        @"[\p{Han}]+"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
        + @"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
        + @"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Tekken =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        + @"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>The expressions of a name, or null where it is not known.</summary>
    public static string[]? Find(string name) => name switch
    {
        "gpt-2" or "mpt" or "olmo" or "jais" or "phi-2" or "roberta-bpe" or "trillion" or "jina-es" or "jina-de"
            or "jina-v1-en" or "jina-v2-es" or "jina-v2-de" or "jina-v2-code" or "a.x-4.0" or "mellum" or "modern-bert"
            or "gigachat" or "exaone4" or "granite-docling" or "jina-v2-en" => [Gpt2],
        "starcoder" or "refact" or "command-r" or "smollm" or "codeshell" or "exaone" or "minerva-7b"
            or "mellum2" =>
            [@"\p{N}", Gpt2],
        "default" => [@"[\p{P}\$\+<=>\^~\|]+", Gpt2, @"\p{N}+", "[0-9][0-9][0-9]"],
        "falcon" => [@"[\p{P}\$\+<=>\^~\|`]+", Gpt2, "[0-9][0-9][0-9]"],
        "llama3" or "llama-v3" or "llama-bpe" or "falcon3" or "dbrx" or "smaug-bpe" or "chatglm-bpe" or "glm4"
            or "pixtral" or "lfm2" or "falcon-h1" or "midm-2.0" or "jina-v5-nano" => [TiktokenEncoding.Llama3],
        "qwen2" or "stablelm2" or "deepseek-r1-qwen" or "hunyuan" or "solar-open" or "kormo" or "megrez" or "grok-2"
            or "f2llmv2" => [TiktokenEncoding.Qwen],
        "laguna" => [@"[^\n]+|[\n]+", TiktokenEncoding.Qwen],
        "ufakzeka" =>
        [
            @"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        "qwen35" => [TiktokenEncoding.Qwen35],
        "gpt-4o" or "llama4" or "kanana2" or "minimax-m2" or "talkie" or "granite-embed-multi-97m" =>
            [TiktokenEncoding.O200k],
        "tiny_aya" or "cohere2moe" => [@"\d{1,3}(?=(?:\d{3})*\b)", TiktokenEncoding.O200k],
        "kimi-k2" => [Kimi],
        "youtu" =>
        [
            "[\uAC00-\uD7A3\u3131-\u318E]+"
                + "|[\uFF01\u2026\u201C\u201D\u2018\u2019\u2014\uFF1A\uFF1B\uFF0C\u3001-\u303F\uFE30-\uFE4F]+"
                + "|[\u3105-\u312F]+|[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
            TiktokenEncoding.O200k.Replace(@"\p{N}{1,3}", @"\p{N}", StringComparison.Ordinal),
        ],
        "minicpm5" =>
        [
            @"\p{N}{1,3}",
            @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
                + @"|\s+(?!\S)|\s+",
        ],
        "jais-2" =>
        [
            @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
                + @"|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)"
                + @"|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}",
        ],
        "chameleon" =>
        [
            "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", @"([\t\n]|    |  )", @"\p{N}",
            @"[\p{P}!-/:-@\[-`{-~]", Gpt2,
        ],
        "afmoe" =>
        [
            @"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))", // threes from the end
            "[\u4E00-\u9FFF\u3400-\u4DBF\uF900-\uFAFF\u3040-\u309F\u30A0-\u30FF\uFF65-\uFF9F\u2F00-\u2FDF\u0E40-\u0E7F"
                + "\u0E80-\u0EFF\u1780-\u17FF\u1000-\u109F\uAA60-\uAA7F\uA9E0-\uA9FF\uAC00-\uD7AF\u1100-\u11FF]+",
            DeepSeekWords,
        ],
        "tekken" => [Tekken],
        "deepseek-llm" =>
        [
            @"[\r\n]", @"\s?[" + DeepSeekLetters + "]+",
            @"\s?[!-/:-~" + "\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+", @"\s+$", DeepSeekIdeographs,
            @"\p{N}+",
        ],
        "spark2_5" =>
        [
            @"\p{N}{1,3}", "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
            DeepSeekWords.Replace(@"+[\r\n]*|\s*[\r\n]+|", @"+|[\r\n]|", StringComparison.Ordinal), @"\p{N}",
        ],
        "deepseek-v3" or "hunyuan-dense" or "joyai-llm" or "hy_v4" =>
            [@"\p{N}{1,3}", "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", DeepSeekWords],
        "deepseek-coder" =>
            [@"[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", DeepSeekIdeographs, @"\p{N}"],
        "bloom" or "poro-chat" or "gpt3-finnish" => [@" ?[^(\s|.,!?…。，、।۔،)]+"],
        "viking" => [@" ?[^(\s|.,!?…。，、।۔،)]+", @"\p{N}"],
        "seed-coder" =>
        [
            @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+"
                + @"|\s+(?!\S)|\s+",
        ],
        "superbpe" => [@"\p{N}+", @"(?=(?:\d{3})+(?!\d))"],
        "exaone-moe" =>
        [
            @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"
                + @"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
        ],
        "bailingmoe" or "bailingmoe2" or "llada-moe" =>
        [
            @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        ],
        _ => null,
    };

    /// <summary>Whether a word that is a token is taken whole, whatever the merges say.</summary>
    public static bool IgnoresMerges(string name) => name
        is "llama3" or "llama-v3" or "llama-bpe" or "falcon3" or "falcon-h1" or "pixtral" or "lfm2" or "tekken"
            or "llama4" or "gpt-4o" or "kanana2" or "smaug-bpe" or "midm-2.0" or "jina-v5-nano" or "minicpm5" or "youtu"
            or "granite-embed-multi-97m";

    /// <summary>Whether BOS goes first where the file does not say.</summary>
    public static bool AddsBos(string name) => name
        is "llama3" or "llama-v3" or "llama-bpe" or "falcon3" or "falcon-h1" or "pixtral" or "lfm2" or "midm-2.0"
            or "tekken" or "jina-v5-nano" or "chameleon";
}
