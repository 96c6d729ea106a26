using System.Text;

namespace Octavo.Text.SentencePiece;

/// <summary>What kind of piece it is; the numbers are the file's.</summary>
internal enum PieceType
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>An entry of the vocabulary; its id is its place.</summary>
internal readonly record struct Piece(string Text, float Score, PieceType Type);

/// <summary>
/// A sentencepiece model file, as far as encoding and decoding need it. Numbers of fields and defaults: sentencepiece's
/// <c>sentencepiece_model.proto</c>.
/// </summary>
internal sealed record SentencePieceProto
{
    public const int Unigram = 1, Bpe = 2;

    /// <summary>What stands for a blank.</summary>
    public const string Blank = "▁";

    public IReadOnlyList<Piece> Pieces { get; init; } = [];

    /// <summary><see cref="Unigram"/> or <see cref="Bpe"/>.</summary>
    public int ModelType { get; init; } = Unigram;

    public bool ByteFallback { get; init; }

    public int BosId { get; init; } = 1;

    public int EosId { get; init; } = 2;

    public int PadId { get; private init; } = -1;

    /// <summary>Whether EOS goes last unless the configuration says otherwise, as with T5.</summary>
    public bool AddsEos { get; init; }

    /// <summary>What the unknown piece is decoded to.</summary>
    public string UnknownSurface { get; private init; } = " \u2047 ";

    public byte[] CharacterMap { get; init; } = [];

    public bool AddDummyPrefix { get; init; } = true;

    public bool RemoveExtraWhitespaces { get; init; } = true;

    public bool EscapeWhitespaces { get; private init; } = true;

    /// <summary>The id of the unknown piece.</summary>
    public int UnknownId { get; init; }

    /// <summary>Reads a file, or throws <see cref="FormatException"/>.</summary>
    public static SentencePieceProto Read(ReadOnlySpan<byte> file)
    {
        SentencePieceProto model = new();
        List<Piece> pieces = [];
        ProtobufReader reader = new(file);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1:
                    pieces.Add(ReadPiece(reader.Bytes));
                    break;
                case 2:
                    model = model.WithTrainer(reader.Bytes);
                    break;
                case 3:
                    model = model.WithNormalizer(reader.Bytes);
                    break;
                default:
                    break; // tests of itself, and how decoded text is normalized, which nobody fills
            }
        }

        int unknown = pieces.FindIndex(p => p.Type == PieceType.Unknown);
        if (unknown < 0 || pieces.FindLastIndex(p => p.Type == PieceType.Unknown) != unknown)
        {
            throw new FormatException("pieces: expected one of the type UNKNOWN");
        }

        if (model.ModelType is not (Unigram or Bpe))
        {
            throw new FormatException(
                $"trainer_spec.model_type: {model.ModelType} is not supported; supported: UNIGRAM, BPE");
        }

        return model with { Pieces = pieces, UnknownId = unknown };
    }

    private static Piece ReadPiece(ReadOnlySpan<byte> message)
    {
        Piece piece = new("", 0, PieceType.Normal);
        ProtobufReader reader = new(message);
        while (reader.Next())
        {
            piece = reader.Field switch
            {
                1 => piece with { Text = Text(reader.Bytes) },
                2 => piece with { Score = reader.Single },
                3 => piece with { Type = (PieceType)reader.Int32 },
                _ => piece,
            };
        }

        return piece.Text.Length > 0 && piece.Type is >= PieceType.Normal and <= PieceType.Byte
                && float.IsFinite(piece.Score)
            ? piece
            : throw new FormatException("pieces: one has no text, no finite score or no known type");
    }

    private SentencePieceProto WithTrainer(ReadOnlySpan<byte> message)
    {
        SentencePieceProto model = this;
        ProtobufReader reader = new(message);
        while (reader.Next())
        {
            model = reader.Field switch
            {
                3 => model with { ModelType = reader.Int32 },
                24 when reader.Bool =>
                    throw new FormatException("trainer_spec.treat_whitespace_as_suffix is not supported"),
                35 => model with { ByteFallback = reader.Bool },
                41 => model with { BosId = reader.Int32 },
                42 => model with { EosId = reader.Int32 },
                43 => model with { PadId = reader.Int32 },
                44 => model with { UnknownSurface = Text(reader.Bytes) },
                _ => model,
            };
        }

        return model;
    }

    private SentencePieceProto WithNormalizer(ReadOnlySpan<byte> message)
    {
        SentencePieceProto model = this;
        ProtobufReader reader = new(message);
        while (reader.Next())
        {
            model = reader.Field switch
            {
                2 => model with { CharacterMap = reader.Bytes.ToArray() },
                3 => model with { AddDummyPrefix = reader.Bool },
                4 => model with { RemoveExtraWhitespaces = reader.Bool },
                5 => model with { EscapeWhitespaces = reader.Bool },
                _ => model,
            };
        }

        return model;
    }

    private static string Text(ReadOnlySpan<byte> utf8) => Encoding.UTF8.GetString(utf8);
}
