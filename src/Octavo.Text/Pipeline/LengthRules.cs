using Octavo.Text.Json;

namespace Octavo.Text.Pipeline;

/// <summary>
/// The <c>truncation</c> and <c>padding</c> of a tokenizer.json. They act only on request: transformers, too, leaves
/// them out unless its caller asks.
/// </summary>
internal sealed record LengthRules
{
    // Longer padding is taken for a corrupt file rather than for a reason to fill up memory.
    private const int MaxPadding = 1 << 20;

    public static LengthRules None { get; } = new();

    /// <summary>At most so many ids, special ones included; null for any number.</summary>
    public int? MaxLength { get; private init; }

    /// <summary>Whether ids are cut off at the front.</summary>
    public bool TruncatesLeft { get; private init; }

    /// <summary>Filled up to a multiple of this; 0 for no padding.</summary>
    public int PadMultiple { get; private init; }

    /// <summary>Filled up to at least this.</summary>
    public int PadLength { get; private init; }

    public int PadId { get; private init; }

    public bool PadsLeft { get; private init; }

    public static LengthRules Read(JsonField root)
    {
        LengthRules rules = new();
        if (root.Find("truncation") is { } truncation)
        {
            JsonField? strategy = truncation.Find("strategy");
            if (strategy?.AsString() is not (null or "LongestFirst" or "OnlyFirst"))
            {
                throw strategy.Value.Error("supported: LongestFirst, OnlyFirst");
            }

            rules = rules with
            {
                MaxLength = truncation.Require("max_length").AsCount(),
                TruncatesLeft = IsLeft(truncation),
            };
        }

        if (root.Find("padding") is { } padding)
        {
            JsonField? strategy = padding.Find("strategy");
            bool isFixed = strategy is { IsObject: true };
            if (!isFixed && strategy is { } named && named.AsString() != "BatchLongest")
            {
                throw named.Error("supported: BatchLongest, {\"Fixed\": length}");
            }

            rules = rules with
            {
                PadLength = isFixed ? ReadPadding(strategy!.Value.Require("Fixed")) : 0,
                PadMultiple = padding.Find("pad_to_multiple_of") is { } multiple
                    ? Math.Max(1, ReadPadding(multiple))
                    : 1,
                PadId = padding.Find("pad_id")?.AsCount() ?? 0,
                PadsLeft = IsLeft(padding),
            };
        }

        return rules;
    }

    /// <summary>Cuts a text's ids so that with the tokens around them they are not too many.</summary>
    /// <exception cref="TextEncodingException">Already the tokens around them are too many.</exception>
    public void Truncate(List<int> ids, int around)
    {
        if (MaxLength is not { } most)
        {
            return;
        }

        if (most < around)
        {
            throw new TextEncodingException(
                FormattableString.Invariant($"the tokenizer truncates to {most} ids, but puts {around} around a text"));
        }

        int over = ids.Count + around - most;
        if (over > 0)
        {
            ids.RemoveRange(TruncatesLeft ? 0 : ids.Count - over, over);
        }
    }

    /// <summary>Fills up.</summary>
    public void Pad(List<int> ids)
    {
        if (PadMultiple == 0)
        {
            return;
        }

        int length = Math.Max(ids.Count, PadLength);
        length += (PadMultiple - (length % PadMultiple)) % PadMultiple;
        ids.InsertRange(PadsLeft ? 0 : ids.Count, Enumerable.Repeat(PadId, length - ids.Count));
    }

    private static int ReadPadding(JsonField field) => field.AsCount() is <= MaxPadding and int length
        ? length
        : throw field.Error($"supported: up to {MaxPadding}");

    private static bool IsLeft(JsonField field) => field.Find("direction") is { } direction
        && (direction.AsString() switch
        {
            "Left" => true,
            "Right" => false,
            _ => throw direction.Error("supported: Left, Right"),
        });
}
