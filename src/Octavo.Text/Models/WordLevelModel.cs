namespace Octavo.Text.Models;

/// <summary>A token per word; any other word is the unknown token.</summary>
internal sealed class WordLevelModel(Dictionary<string, int> vocab, int unknown) : TextModel
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _words =
        vocab.GetAlternateLookup<ReadOnlySpan<char>>();

    public override void Encode(ReadOnlySpan<char> piece, List<int> ids) =>
        ids.Add(_words.TryGetValue(piece, out int id) ? id : unknown);

    public override Func<TextModel> Without(IReadOnlySet<string> tokens) =>
        () => new WordLevelModel(Except(vocab, tokens), unknown);
}
