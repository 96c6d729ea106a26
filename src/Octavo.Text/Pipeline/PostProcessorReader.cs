using Octavo.Text.Json;
using Octavo.Text.Tokens;
namespace Octavo.Text.Pipeline;

/// <summary>Reads <c>post_processor</c> and checks <c>decoder</c>.</summary>
internal static class PostProcessorReader
{
    private const string Supported = "TemplateProcessing, ByteLevel, Sequence";

    public static PostProcessor Read(JsonField? field)
    {
        if (field is not { } processor)
        {
            return PostProcessor.None;
        }

        JsonField type = processor.Require("type");
        switch (type.AsString())
        {
            case "ByteLevel": // it moves offsets, which we do not keep
                return PostProcessor.None;
            case "TemplateProcessing":
                return ReadTemplate(processor);
            case "Sequence":
                return processor.Require("processors").Items()
                    .Aggregate(PostProcessor.None, (inner, next) => inner.Then(Read(next)));
            default:
                string other = type.AsString();
                throw type.Error($"the post-processor '{other}' is not supported; supported: {Supported}");
        }
    }

    /// <summary>Refuses every decoder but ByteLevel, whose work <see cref="Vocabulary"/> does once, at load.</summary>
    public static void CheckDecoder(JsonField decoder)
    {
        JsonField type = decoder.Require("type");
        switch (type.AsString())
        {
            case "ByteLevel":
                break;
            case "Sequence":
                JsonField parts = decoder.Require("decoders");
                JsonField[] items = [.. parts.Items()];
                if (items.Length != 1)
                {
                    throw parts.Error("supported is a sequence of one ByteLevel");
                }

                CheckDecoder(items[0]);
                break;
            default:
                string other = type.AsString();
                throw type.Error($"the decoder '{other}' is not supported; supported: ByteLevel");
        }
    }

    private static PostProcessor ReadTemplate(JsonField processor)
    {
        List<int> before = [];
        List<int> after = [];
        bool seenText = false;
        JsonField single = processor.Require("single");
        foreach (JsonField piece in single.Items())
        {
            if (piece.Find("SpecialToken") is { } special)
            {
                (seenText ? after : before).AddRange(ReadIds(processor, special.Require("id")));
                continue;
            }

            JsonField id = piece.Require("Sequence").Require("id");
            if (id.AsString() != "A" || seenText)
            {
                throw id.Error("supported is the sequence A, once");
            }

            seenText = true;
        }

        return seenText ? new PostProcessor([.. before], [.. after]) : throw single.Error("the sequence A is missing");
    }

    private static IEnumerable<int> ReadIds(JsonField processor, JsonField name)
    {
        JsonField entry = processor.Require("special_tokens").Require(name.AsString());
        return entry.Require("ids").Items().Select(id => id.AsInt());
    }
}
