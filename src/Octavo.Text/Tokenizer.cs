using System.Buffers;
using System.Text;
using Octavo.Formats.Gguf;
using Octavo.Text.Files;
using Octavo.Text.Gguf;
using Octavo.Text.Models;
using Octavo.Text.Pipeline;
using Octavo.Text.Prompts;
using Octavo.Text.Templates;
using Octavo.Text.Tokens;

namespace Octavo.Text;

/// <summary>
/// Text to tokens and back, as the files of a tokenizer describe it. Immutable: one instance serves all threads.
/// </summary>
public sealed class Tokenizer
{
    private readonly Vocabulary _vocabulary;
    private readonly TokenizerParts _parts;
    private readonly TokenizerConfig _config;

    internal Tokenizer(TokenizerParts parts, TokenizerConfig config)
    {
        _parts = parts;
        _vocabulary = parts.Vocabulary;
        _config = config;
    }

    /// <summary>
    /// One more than the highest token id, added tokens included. A model's embedding may have more rows.
    /// </summary>
    public int VocabSize => _vocabulary.Size;

    /// <summary>The token that begins a text, or null where the configuration names none.</summary>
    public string? BosToken => _config.Find("bos_token");

    /// <summary>The token that ends a text, or null where the configuration names none.</summary>
    public string? EosToken => _config.Find("eos_token");

    /// <summary>The token that fills up a batch, or null where the configuration names none.</summary>
    public string? PadToken => _config.Find("pad_token");

    /// <summary>
    /// The tokens that the configuration gives a name, such as <c>unk_token</c> or a model's own <c>image_token</c>, by
    /// that name: a chat template may use each.
    /// </summary>
    public IReadOnlyDictionary<string, string> NamedTokens => _config.Named;

    /// <summary>The id of <see cref="BosToken"/>, or null where there is none.</summary>
    public int? BosTokenId => IdOf(BosToken);

    /// <summary>The id of <see cref="EosToken"/>, or null where there is none.</summary>
    public int? EosTokenId => IdOf(EosToken);

    /// <summary>The id of <see cref="PadToken"/>, or null where there is none.</summary>
    public int? PadTokenId => IdOf(PadToken);

    /// <summary>
    /// The chat template in Jinja: the directory's <c>chat_template.jinja</c>, else the configuration's
    /// <c>chat_template</c> (of a list, the one named <c>default</c>), else null.
    /// </summary>
    public string? ChatTemplateSource => ChatTemplates.ByName.GetValueOrDefault(ChatTemplateSources.DefaultName);

    /// <summary>All chat templates that came with the model, by name.</summary>
    internal ChatTemplateSources ChatTemplates => _config.ChatTemplates;

    /// <summary>
    /// Loads a tokenizer from a model's directory: from <c>tokenizer.json</c>, else <c>tekken.json</c>, else
    /// sentencepiece's <c>tokenizer.model</c>, else <c>vocab.json</c> and <c>merges.txt</c>, else <c>vocab.txt</c>,
    /// else a <c>.tiktoken</c> file; and where they are there <c>tokenizer_config.json</c>,
    /// <c>chat_template.jinja</c>, and the older <c>special_tokens_map.json</c> and <c>added_tokens.json</c>. Tokens
    /// that only those list are added, with their flags.
    /// </summary>
    /// <exception cref="TokenizerFormatException">A file is missing, malformed or of an unsupported kind.</exception>
    public static Tokenizer Load(string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        return Load(TokenizerFiles.In(directory));
    }

    /// <summary>Loads a tokenizer from files of any name.</summary>
    /// <param name="tokenizerJson">
    /// The path of a tokenizer.json, a tekken.json, a sentencepiece model, a file of tiktoken's ranks or a GGUF file.
    /// </param>
    /// <param name="tokenizerConfig">The path of a tokenizer_config.json, or null for none.</param>
    /// <exception cref="TokenizerFormatException">A file is missing, malformed or of an unsupported kind.</exception>
    public static Tokenizer LoadFile(string tokenizerJson, string? tokenizerConfig = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(tokenizerJson);
        if (tokenizerConfig is not null && !File.Exists(tokenizerConfig))
        {
            throw new TokenizerFormatException(tokenizerConfig, innerException: null);
        }

        return tokenizerConfig is null && IsGguf(tokenizerJson)
            ? LoadGguf(tokenizerJson)
            : Load(TokenizerFiles.Of(tokenizerJson, tokenizerConfig));
    }

    /// <summary>Loads a tokenizer from files that stand anywhere.</summary>
    /// <exception cref="TokenizerFormatException">A file is missing, malformed or of an unsupported kind.</exception>
    internal static Tokenizer Load(TokenizerFiles files)
    {
        TokenizerConfig config = TokenizerConfig.Load(files);
        return new(TokenizerReader.Read(files, config), config);
    }

    /// <summary>
    /// The ids of a text. Added tokens spelled out in it, special ones included, become their ids. Lone surrogates are
    /// taken as U+FFFD.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="addSpecialTokens">Whether to put the post-processor's tokens (BOS, say) around the result.</param>
    /// <remarks>
    /// The <c>truncation</c> and <c>padding</c> of the file do not act, as they do not in transformers unless its
    /// caller asks.
    /// </remarks>
    public int[] Encode(string text, bool addSpecialTokens = true) =>
        Encode(
            text,
            new EncodeOptions
            {
                AddSpecialTokens = addSpecialTokens,
                SplitSpecialTokens = _config.SplitsSpecialTokens,
            });

    /// <summary>The ids of a text.</summary>
    internal int[] Encode(string text, EncodeOptions options)
    {
        ArgumentNullException.ThrowIfNull(text);
        bool splits = options.SplitSpecialTokens ?? (_config.SplitsSpecialTokens || _parts.SplitsSpecialTokens);
        return Encode(text, splits ? ControlPlaces.Nowhere : ControlPlaces.Everywhere, options);
    }

    /// <summary>
    /// The ids of a conversation's prompt. Special tokens are found where the template wrote them; those that a message
    /// spells out are text, unless <see cref="EncodeOptions.SplitSpecialTokens"/> is false.
    /// </summary>
    internal int[] Encode(RenderedPrompt prompt, EncodeOptions options)
    {
        bool splitsAll = options.SplitSpecialTokens ?? _config.SplitsSpecialTokens;
        return Encode(
            prompt.Text,
            options.SplitSpecialTokens == false ? ControlPlaces.Everywhere
                : splitsAll ? ControlPlaces.Nowhere
                : ControlPlaces.Within(prompt.Own),
            options);
    }

    private int[] Encode(string text, ControlPlaces special, EncodeOptions options)
    {
        text = WellFormed(text);
        PostProcessor around = options.AddSpecialTokens ? _parts.PostProcessor : PostProcessor.None;
        LengthRules lengths = options.ApplyLengths ? _parts.Lengths : LengthRules.None;
        List<int> ids = new((text.Length / 3) + 8);
        EncodeText(text, special, ids);
        lengths.Truncate(ids, around.Before.Length + around.After.Length);
        ids.InsertRange(0, around.Before);
        ids.AddRange(around.After);
        lengths.Pad(ids);
        return [.. ids];
    }

    /// <summary>
    /// The text of a sequence of ids, as the file's decoder makes it. Bytes that are not UTF-8 become U+FFFD; ids
    /// without a token vanish. Decoding piece by piece gives the same text.
    /// </summary>
    /// <param name="ids">The ids.</param>
    /// <param name="skipSpecialTokens">Whether special tokens vanish.</param>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true)
    {
        if (!_vocabulary.HasBytes)
        {
            IncrementalDetokenizer pieces = CreateDetokenizer([], skipSpecialTokens);
            StringBuilder text = new();
            foreach (int id in ids)
            {
                text.Append(pieces.Append(id));
            }

            return text.Append(pieces.Flush()).ToString();
        }

        ArrayBufferWriter<byte> bytes = new(Math.Max(16, ids.Length * 4));
        foreach (int id in ids)
        {
            if (!skipSpecialTokens || !_vocabulary.IsHidden(id))
            {
                bytes.Write(_vocabulary.BytesOf(id));
            }
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <summary>The id of a token by its spelling in the vocabulary (byte-level alphabet), or null.</summary>
    public int? TokenToId(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return _vocabulary.IdOf(token);
    }

    /// <summary>
    /// A token's spelling in the vocabulary (byte-level alphabet), or null for an id without a token.
    /// </summary>
    public string? IdToToken(int id) => _vocabulary.TokenOf(id);

    /// <summary>Whether the id is that of a special token.</summary>
    public bool IsSpecial(int id) => _vocabulary.IsSpecial(id);

    /// <summary>
    /// The bytes that a token stands for in text, often not whole characters; empty for an id without a token. The
    /// caller owns the array.
    /// </summary>
    public byte[] TokenBytes(int id)
    {
        if (_vocabulary.HasBytes)
        {
            return _vocabulary.BytesOf(id).ToArray();
        }

        if (_vocabulary.TokenOf(id) is not { } token)
        {
            return [];
        }

        if (_parts.Decoder.SpellsBytes && ByteTokens.TryParse(token, out byte value))
        {
            return [value];
        }

        // What it adds to a text that goes before.
        IncrementalDetokenizer pieces = CreateDetokenizer([id, id], skipSpecialTokens: false);
        return Encoding.UTF8.GetBytes(pieces.Append(id) + pieces.Flush());
    }

    /// <summary>A decoder for tokens that come one at a time.</summary>
    /// <param name="promptIds">
    /// What stands before the first token. Only its end matters: a character that the prompt leaves unfinished can be
    /// finished by the first tokens.
    /// </param>
    /// <param name="skipSpecialTokens">Whether special tokens vanish.</param>
    internal IncrementalDetokenizer CreateDetokenizer(ReadOnlySpan<int> promptIds, bool skipSpecialTokens = true) =>
        _vocabulary.HasBytes
            ? new ByteDetokenizer(_vocabulary, promptIds, skipSpecialTokens)
            : new StreamDetokenizer(_vocabulary, _parts.Decoder, promptIds, skipSpecialTokens);

    /// <summary>
    /// Whether a file is GGUF, of which only the beginning is to be read: the rest may be gigabytes.
    /// </summary>
    internal static bool IsGguf(string path)
    {
        if (!File.Exists(path))
        {
            return false;
        }

        using FileStream file = File.OpenRead(path);
        Span<byte> magic = stackalloc byte[4];
        return GgufMetadata.Recognizes(magic[..file.Read(magic)]);
    }

    private static Tokenizer LoadGguf(string path)
    {
        using FileStream file = File.OpenRead(path);
        (TokenizerParts parts, TokenizerConfig config) = GgufTokenizerReader.Read(path, file);
        return new Tokenizer(parts, config);
    }

    private int? IdOf(string? token) => token is null ? null : _vocabulary.IdOf(token);

    /// <summary>What the normalizer alone makes of a text.</summary>
    internal string Normalize(string text) => _parts.Normalizer?.Apply(text) ?? text;

    private void EncodeText(string text, ControlPlaces special, List<int> ids)
    {
        if (_parts.RawTokens.IsEmpty)
        {
            EncodeRun(text, Range.All, special, ids);
            return;
        }

        foreach (AddedTokenSpan span in _parts.RawTokens.Split(text, special))
        {
            if (span.Id == AddedTokenSpan.PlainText)
            {
                EncodeRun(text, span.Start..span.End, special, ids);
            }
            else
            {
                ids.Add(span.Id);
            }
        }
    }

    /// <summary>
    /// Text without non-normalized added tokens: normalize, cut the other added tokens out, encode the rest.
    /// </summary>
    private void EncodeRun(string whole, Range range, ControlPlaces special, List<int> ids)
    {
        (int start, int length) = range.GetOffsetAndLength(whole.Length);
        string run = length == whole.Length ? whole : whole.Substring(start, length);
        bool first = start == 0;
        string text = _parts.Normalizer?.Apply(run) ?? run;
        TextStage stages = special.HoldsConversation ? _parts.ConversationStages : _parts.Stages;
        if (_parts.NormalizedTokens.IsEmpty)
        {
            EncodePiece(text, first, stages, ids);
            return;
        }

        special = special.InPart(whole, range, _parts.Normalizer, text);
        foreach (AddedTokenSpan span in _parts.NormalizedTokens.Split(text, special))
        {
            if (span.Id == AddedTokenSpan.PlainText)
            {
                EncodePiece(
                    text.AsSpan(span.Start, span.End - span.Start), first && span.Start == 0, stages, ids);
            }
            else
            {
                ids.Add(span.Id);
            }
        }
    }

    private static void EncodePiece(ReadOnlySpan<char> piece, bool first, TextStage stages, List<int> ids)
    {
        if (piece.Length > 0)
        {
            stages.Accept(piece, first, ids);
        }
    }

    private static string WellFormed(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            return text;
        }

        StringBuilder? repaired = null;
        for (int i = 0; i < text.Length; i++)
        {
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(text[i]))
            {
                repaired ??= new StringBuilder(text);
                repaired[i] = '\uFFFD';
            }
        }

        return repaired?.ToString() ?? text;
    }
}
