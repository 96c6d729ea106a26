using Octavo.Text.Json;

namespace Octavo.Text.Pipeline;

/// <summary>Reads the <c>post_processor</c> of a tokenizer.json.</summary>
internal static class PostProcessorReader
{
    private const string Supported =
        "BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing";

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
            case "BertProcessing" or "RobertaProcessing":
                return new PostProcessor([ReadToken(processor, "cls")], [ReadToken(processor, "sep")]);
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

    // As ["</s>", 2].
    private static int ReadToken(JsonField processor, string name)
    {
        JsonField field = processor.Require(name);
        JsonField[] pair = [.. field.Items()];
        return pair.Length == 2 ? pair[1].AsCount() : throw field.Error("expected [token, id]");
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
