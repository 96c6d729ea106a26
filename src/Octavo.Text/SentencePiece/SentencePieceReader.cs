using Octavo.Text.Files;
using Octavo.Text.Models;
using Octavo.Text.Pipeline;
using Octavo.Text.Tokens;

namespace Octavo.Text.SentencePiece;

/// <summary>Reads a <c>tokenizer.model</c>.</summary>
internal static class SentencePieceReader
{
    // sentencepiece's kUnkPenalty, and what a user-defined piece scores less than so many of the best pieces.
    private const float UnknownPenalty = 10;
    private const double UserDefinedPenalty = 0.1;

    public static TokenizerParts Read(string path, byte[] file, TokenizerConfig config)
    {
        try
        {
            SentencePieceProto model = SentencePieceProto.Read(file);
            return Make(config.AddsPrefixSpace is false ? model with { AddDummyPrefix = false } : model, config);
        }
        catch (FormatException e)
        {
            throw new TokenizerFormatException(path, "$", $"not a sentencepiece model: {e.Message}", e);
        }
    }

    /// <summary>A tokenizer of a model, or <see cref="FormatException"/>.</summary>
    public static TokenizerParts Make(SentencePieceProto model, TokenizerConfig config)
    {
        Dictionary<string, int> vocab = new(StringComparer.Ordinal);
        Dictionary<string, int> cuttable = new(StringComparer.Ordinal); // what text may be cut into
        for (int id = 0; id < model.Pieces.Count; id++)
        {
            Piece piece = model.Pieces[id];
            if (!vocab.TryAdd(piece.Text, id))
            {
                throw new FormatException($"pieces: '{piece.Text}' comes twice");
            }

            if (piece.Type is PieceType.Normal or PieceType.UserDefined or PieceType.Unused)
            {
                cuttable.Add(piece.Text, id);
            }
        }

        if (cuttable.Count == 0)
        {
            throw new FormatException("pieces: there are none that text could be cut into");
        }

        KeyValuePair<string, int>[] userDefined =
            [.. cuttable.Where(p => model.Pieces[p.Value].Type == PieceType.UserDefined)];
        PieceTrie? symbols = userDefined.Length == 0 ? null : new PieceTrie(userDefined);
        ByteTokens? bytes = model.ByteFallback ? new ByteTokens(vocab) : null;
        TextModel encoder = model.ModelType == SentencePieceProto.Bpe
            ? new ScoredBpeModel(cuttable, model.Pieces, symbols, model.UnknownId, bytes)
            : new UnigramModel(ReadScores(model, cuttable), bytes, asSentencePiece: true);
        AddedToken[] special = [.. model.Pieces.Index()
            .Where(p => p.Item.Type is PieceType.Control or PieceType.Unknown)
            .Select(p => new AddedToken(p.Index, p.Item.Text, true, false, false, false, Normalized: false))];
        AddedToken[] added = AddedTokenList.Merge(special, config, vocab);
        return TokenizerParts.Make(
            vocab,
            added,
            normalizer: null,
            new SentencePieceStage(model, symbols, config.Legacy, new ModelStage(encoder)),
            config.Around(IdOf(model, model.BosId), IdOf(model, model.EosId), addBos: true, model.AddsEos),
            new SentencePieceDecoder(model)) with
        { SplitsSpecialTokens = true };
    }

    private static int? IdOf(SentencePieceProto model, int id) => (uint)id < (uint)model.Pieces.Count ? id : null;

    private static UnigramVocabulary ReadScores(SentencePieceProto model, Dictionary<string, int> cuttable)
    {
        Piece[] normal = [.. model.Pieces.Where(p => p.Type == PieceType.Normal)];
        float lowest = normal.Length == 0 ? 0 : normal.Min(p => p.Score);
        float highest = normal.Length == 0 ? 0 : normal.Max(p => p.Score);
        double[] scores = [.. model.Pieces.Select(p => p.Type == PieceType.UserDefined
            ? (System.Text.Encoding.UTF8.GetByteCount(p.Text) * highest) - UserDefinedPenalty
            : p.Score)];
        Dictionary<string, int> used = new(
            cuttable.Where(p => model.Pieces[p.Value].Type != PieceType.Unused), StringComparer.Ordinal);
        return new UnigramVocabulary(used, scores, model.UnknownId, lowest - UnknownPenalty);
    }
}
