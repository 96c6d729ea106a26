using Octavo.Text.Json;
using Octavo.Text.Pipeline;

namespace Octavo.Text.Decoding;

/// <summary>Reads the <c>decoder</c> of a tokenizer.json.</summary>
internal static class DecoderReader
{
    private const string Supported =
        "BPEDecoder, ByteFallback, ByteLevel, CTC, Fuse, Metaspace, Replace, Sequence, Strip, WordPiece";

    public static TokenDecoder Read(JsonField? field)
    {
        if (field is not { } decoder)
        {
            return new SpacedDecoder();
        }

        JsonField type = decoder.Require("type");
        return type.AsString() switch
        {
            "BPEDecoder" => new SuffixDecoder(decoder.StringOr("suffix", "</w>")),
            "ByteFallback" => new ByteFallbackDecoder(),
            "ByteLevel" => new ByteLevelDecoder(),
            "CTC" => new CtcDecoder(
                decoder.StringOr("pad_token", "<pad>"),
                decoder.StringOr("word_delimiter_token", "|"),
                decoder.BoolOr("cleanup", true)),
            "Fuse" => new FuseDecoder(),
            "Metaspace" => new MetaspaceDecoder(
                PipelineReader.ReadReplacement(decoder),
                PipelineReader.ReadPrependScheme(decoder) != PrependScheme.Never),
            "Replace" => new ReplaceDecoder(
                PipelineReader.ReadPattern(decoder.Require("pattern")), decoder.Require("content").AsString()),
            "Sequence" => ReadSequence(decoder.Require("decoders")),
            "Strip" => ReadStrip(decoder),
            "WordPiece" => new WordPieceDecoder(decoder.StringOr("prefix", "##"), decoder.BoolOr("cleanup", true)),
            string other =>
                throw type.Error($"the decoder '{other}' is not supported; supported: {Supported}"),
        };
    }

    private static TokenDecoder ReadSequence(JsonField list)
    {
        TokenDecoder[] parts = [.. list.Items().Select(item => Read(item))];
        return parts.Length == 1 ? parts[0] : new SequenceDecoder(parts);
    }

    private static StripDecoder ReadStrip(JsonField decoder)
    {
        JsonField content = decoder.Require("content");
        return content.AsString() is { Length: 1 } one
            ? new StripDecoder(one[0], decoder.Require("start").AsCount(), decoder.Require("stop").AsCount())
            : throw content.Error("expected one character of the basic plane");
    }
}
