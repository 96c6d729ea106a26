using System.Text.Json;
using Octavo.Text;
using Octavo.Text.Templates;

namespace Octavo.Cli.Tokenize;

/// <summary>A line that <c>octavo tokenize --jsonl</c> answers: a text to encode, or ids to decode.</summary>
internal sealed class TokenizeLine
{
    private const string Text = "text";
    private const string Ids = "ids";
    private const string AddSpecialTokens = "add_special_tokens";
    private const string SplitSpecialTokens = "split_special_tokens";
    private const string SkipSpecialTokens = "skip_special_tokens";

    private string? _text;
    private IReadOnlyList<int>? _ids;
    private EncodeOptions _encode;
    private bool _skipSpecialTokens = true;

    private TokenizeLine(EncodeOptions encode) => _encode = encode;

    /// <summary>Reads a line.</summary>
    /// <param name="line">The line.</param>
    /// <param name="encode">How texts are encoded where the line does not say.</param>
    /// <exception cref="JsonException">It is malformed, or holds what does not belong there.</exception>
    public static TokenizeLine Parse(string line, EncodeOptions encode)
    {
        using JsonDocument document = JsonDocument.Parse(line);
        if (TemplateJson.Read(document.RootElement) is not PyDict members)
        {
            throw new JsonException($"expected an object with {Text} or {Ids}");
        }

        TokenizeLine read = new(encode);
        foreach ((object? name, object? value) in members.Entries)
        {
            read.Take((string)name!, value);
        }

        return (read._text is null) == (read._ids is null)
            ? throw new JsonException($"expected either {Text} or {Ids}")
            : read;
    }

    /// <summary>What writes the answer.</summary>
    public Action<Utf8JsonWriter> Answer(TokenizeSource source)
    {
        if (_text is not null)
        {
            return TokenizeJson.Of(source.Encode(_text, _encode));
        }

        string text = source.Decode(_ids!, _skipSpecialTokens);
        return json => json.WriteString(Text, text);
    }

    // A field that is null is as one that is not there.
    private void Take(string name, object? value)
    {
        switch (name, value)
        {
            case (Text or Ids or AddSpecialTokens or SplitSpecialTokens or SkipSpecialTokens, null):
                break;
            case (Text, string text):
                _text = text;
                break;
            case (Ids, List<object?> ids):
                _ids = [.. ids.Select(id => id is long and >= 0 and <= int.MaxValue and var number
                    ? (int)number
                    : throw new JsonException($"{Ids} holds what is no token id"))];
                break;
            case (AddSpecialTokens, bool add):
                _encode = _encode with { AddSpecialTokens = add };
                break;
            case (SplitSpecialTokens, bool split):
                _encode = _encode with { SplitSpecialTokens = split };
                break;
            case (SkipSpecialTokens, bool skip):
                _skipSpecialTokens = skip;
                break;
            case (Text or Ids or AddSpecialTokens or SplitSpecialTokens or SkipSpecialTokens, _):
                throw new JsonException($"'{name}' must be {(name == Text ? "a string" : name == Ids ? "a list of ids"
                    : "true or false")}");
            default:
                throw new JsonException(
                    $"'{name}' is none of {Text}, {AddSpecialTokens}, {SplitSpecialTokens}, {Ids}, "
                        + SkipSpecialTokens);
        }
    }
}
