using System.Text;

namespace Octavo.Text.Tokens;

/// <summary>Ids, spellings and bytes of all tokens, added ones included. Immutable.</summary>
internal sealed class Vocabulary
{
    /// <summary>Ids beyond this are taken for a corrupt file rather than for a reason to allocate gigabytes.</summary>
    public const int MaxId = (1 << 24) - 1;

    private readonly Dictionary<string, int> _ids;
    private readonly string?[] _tokens;
    private readonly bool[] _special;
    private readonly bool[] _hidden;

    // The bytes of token i are _bytes[_offsets[i].._offsets[i + 1]].
    private readonly byte[] _bytes;
    private readonly int[] _offsets;

    /// <summary>A vocabulary.</summary>
    /// <param name="modelVocab">The model's tokens; added ones are put in.</param>
    /// <param name="added">Tokens that the model does not know, or that are more than a model's token.</param>
    /// <param name="byteLevel">Whether tokens are spelled in the byte-level alphabet.</param>
    /// <param name="normalize">What normalizes text; null for none.</param>
    public Vocabulary(
        Dictionary<string, int> modelVocab,
        IReadOnlyList<AddedToken> added,
        bool byteLevel,
        Func<string, string>? normalize = null)
    {
        _ids = modelVocab;
        int highest = -1;
        foreach (int id in modelVocab.Values)
        {
            highest = Math.Max(highest, id);
        }

        foreach (AddedToken token in added)
        {
            highest = Math.Max(highest, token.Id);
        }

        Size = highest + 1;
        _tokens = new string?[Size];
        _special = new bool[Size];
        _hidden = new bool[Size];
        foreach ((string token, int id) in modelVocab)
        {
            _tokens[id] = token;
        }

        // An added token's spelling wins over the model's at the same id, as in Hugging Face's lookup. One that is
        // looked for in normalized text is spelled as it is found there.
        bool[] isText = new bool[Size];
        foreach (AddedToken token in added)
        {
            _tokens[token.Id] = token.Normalized && normalize is not null ? normalize(token.Content) : token.Content;
            _special[token.Id] |= token.Special;
            _hidden[token.Id] |= token.Special && _tokens[token.Id] == token.Content;
            isText[token.Id] = _ids.TryAdd(token.Content, token.Id) || _ids[token.Content] != token.Id;
            _ids[token.Content] = token.Id;
        }

        HasBytes = byteLevel;
        (_bytes, _offsets) = byteLevel ? Spell(_tokens, isText) : ([], []);
    }

    public int Size { get; }

    /// <summary>Whether tokens are spelled in the byte-level alphabet, so that each stands for bytes.</summary>
    public bool HasBytes { get; }

    public int? IdOf(string token) => _ids.TryGetValue(token, out int id) ? id : null;

    public string? TokenOf(int id) => (uint)id < (uint)_tokens.Length ? _tokens[id] : null;

    public bool IsSpecial(int id) => (uint)id < (uint)_special.Length && _special[id];

    /// <summary>
    /// Whether it is left out where special tokens are skipped: the special ones, but, as in the tokenizers library,
    /// not those that normalization spells otherwise.
    /// </summary>
    public bool IsHidden(int id) => (uint)id < (uint)_hidden.Length && _hidden[id];

    /// <summary>The bytes that a token stands for; empty for an id without a token.</summary>
    public ReadOnlySpan<byte> BytesOf(int id) =>
        (uint)id < (uint)_tokens.Length ? _bytes.AsSpan(_offsets[id].._offsets[id + 1]) : default;

    // The model's tokens are spelled in the byte-level alphabet, those among them that were added once more, too;
    // tokens that were only added are text, whatever it looks like.
    private static (byte[] Bytes, int[] Offsets) Spell(string?[] tokens, bool[] isText)
    {
        List<byte> bytes = new(tokens.Length * 6);
        int[] offsets = new int[tokens.Length + 1];
        byte[] scratch = [];
        for (int id = 0; id < tokens.Length; id++)
        {
            if (tokens[id] is { } token)
            {
                int most = Encoding.UTF8.GetMaxByteCount(token.Length);
                scratch = scratch.Length < most ? new byte[most] : scratch;
                int count = !isText[id] && ByteAlphabet.TryDecode(token, scratch, out int decoded)
                    ? decoded
                    : Encoding.UTF8.GetBytes(token, scratch);
                bytes.AddRange(scratch.AsSpan(0, count));
            }

            offsets[id + 1] = bytes.Count;
        }

        return (bytes.ToArray(), offsets);
    }
}
