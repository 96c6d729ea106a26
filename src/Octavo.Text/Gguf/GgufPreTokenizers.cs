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

    private const string Tekken =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        + @"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>The expressions of a name, or null where it is not known.</summary>
    public static string[]? Find(string name) => name switch
    {
        "gpt-2" or "mpt" or "olmo" or "jais" or "phi-2" or "roberta-bpe" or "trillion" or "jina-es" or "jina-de"
            or "jina-v1-en" or "jina-v2-es" or "jina-v2-de" or "jina-v2-code" or "a.x-4.0" or "mellum" or "modern-bert"
            or "gigachat" or "exaone4" or "granite-docling" => [Gpt2],
        "starcoder" or "refact" or "command-r" or "smollm" or "codeshell" or "exaone" or "minerva-7b" =>
            [@"\p{N}", Gpt2],
        "default" => [@"[\p{P}\$\+<=>\^~\|]+", Gpt2, @"\p{N}+", "[0-9][0-9][0-9]"],
        "falcon" => [@"[\p{P}\$\+<=>\^~\|`]+", Gpt2, "[0-9][0-9][0-9]"],
        "llama3" or "llama-v3" or "llama-bpe" or "falcon3" or "dbrx" or "smaug-bpe" or "chatglm-bpe" or "glm4"
            or "pixtral" or "lfm2" or "falcon-h1" or "midm-2.0" => [TiktokenEncoding.Llama3],
        "qwen2" or "stablelm2" or "deepseek-r1-qwen" or "hunyuan" or "solar-open" or "kormo" or "megrez" or "grok-2" =>
            [TiktokenEncoding.Qwen],
        "qwen35" => [TiktokenEncoding.Qwen35],
        "gpt-4o" or "llama4" or "kanana2" or "minimax-m2" => [TiktokenEncoding.O200k],
        "tekken" => [Tekken],
        "deepseek-v3" or "hunyuan-dense" or "joyai-llm" =>
            [@"\p{N}{1,3}", "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", DeepSeekWords],
        "deepseek-coder" =>
            [@"[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+", @"\p{N}"],
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
            @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        _ => null,
    };

    /// <summary>Whether a word that is a token is taken whole, whatever the merges say.</summary>
    public static bool IgnoresMerges(string name) => name
        is "llama3" or "llama-v3" or "llama-bpe" or "falcon3" or "falcon-h1" or "pixtral" or "lfm2" or "tekken"
            or "llama4" or "gpt-4o" or "kanana2" or "smaug-bpe" or "midm-2.0";

    /// <summary>Whether BOS goes first where the file does not say.</summary>
    public static bool AddsBos(string name) => name
        is "llama3" or "llama-v3" or "llama-bpe" or "falcon3" or "falcon-h1" or "pixtral" or "lfm2" or "midm-2.0"
            or "tekken";
}
