using System.CommandLine;
using Octavo.Cli.Options;
using Octavo.Cli.Render;
using Octavo.Cli.Terminal;
using Octavo.Text;

namespace Octavo.Cli.Tokenize;

/// <summary><c>octavo tokenize</c>: the tokens of a text or of a conversation, and the text of tokens.</summary>
internal sealed class TokenizeCommand
{
    private readonly Argument<string?> _model = new("MODEL")
    {
        Description = ModelLocator.Takes + ", or a tokenizer's file: tokenizer.json, .model, tekken.json, .tiktoken, "
            + ".gguf. [default: the bundled story-teller, tales]",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _text = OptionKinds.Text("--text", "TEXT", "The text.");
    private readonly InputOption _input = new("The file that holds the text, or what --chat and --jsonl read.");
    private readonly Option<bool> _chat = OptionKinds.Switch(
        "--chat", "The input is a conversation for the model's chat template, as octavo render reads it.");

    private readonly Option<string?> _template = OptionKinds.Text(
        "--template",
        "NAME",
        "Which of the model's templates. [default: tool_use where tools are given, else default]");

    private readonly Option<bool> _bare = OptionKinds.Switch(
        "--no-special-tokens", "Put none of the tokenizer's own tokens around the text; with --chat none are put.");

    private readonly Option<bool> _split = OptionKinds.Switch(
        "--split-special-tokens",
        "Take special tokens spelled out in the text for text. With --chat those that a message spells out are text "
            + "anyway; \"--split-special-tokens false\" finds them.");

    private readonly Option<bool> _json = OptionKinds.Switch(
        "--json", "Print one JSON object: ids, tokens, and bytes in hexadecimal.");

    private readonly Option<bool> _lines = OptionKinds.Switch(
        "--jsonl",
        "Answer each line of the input with a line: an object with text (and add_special_tokens, "
            + "split_special_tokens) with ids and tokens, one with ids (and skip_special_tokens) with text, and what "
            + "cannot be answered with error.");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new TokenizeCommand();
        var command = new Command(
            "tokenize",
            "Show the tokens of a text or a conversation, with ids and bytes. Truncation and padding act as "
                + "tokenizer.json says, but with --chat.")
        {
            it._model, it._text,
        };
        it._input.AddTo(command);
        foreach (Option option in new Option[] { it._chat, it._template, it._bare, it._split, it._json, it._lines })
        {
            command.Add(option);
        }

        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        string? text = result.GetValue(_text);
        bool chat = result.GetValue(_chat);
        bool lines = result.GetValue(_lines);
        UsageException.ThrowIf(
            text is not null && (chat || lines || _input.IsGiven(result)),
            "--text excludes --input, --chat and --jsonl: these read a file or standard input");
        TokenizeSource source = TokenizeSource.Load(result.GetValue(_model));
        EncodeOptions options = TokenizeSource.ForText with
        {
            AddSpecialTokens = !result.GetValue(_bare),
            SplitSpecialTokens = result.GetResult(_split) is { Implicit: false } ? result.GetValue(_split) : null,
        };
        if (chat)
        {
            RunChat(result, source, source.Prompts(result.GetValue(_template)), options, lines);
        }
        else if (lines)
        {
            _input.Read(result, input =>
                JsonLines.Answer(input, line => TokenizeLine.Parse(line, options).Answer(source)));
        }
        else
        {
            Show(result, source, source.Encode(text ?? _input.Read(result, input => input.ReadToEnd()), options));
        }

        return ExitCode.Success;
    }

    private void RunChat(
        ParseResult result, TokenizeSource source, RenderSource prompts, EncodeOptions options, bool lines)
    {
        if (lines)
        {
            _input.Read(result, input => JsonLines.Answer(
                input, line => TokenizeJson.Of(Encode(ConversationJson.Parse(line)))));
        }
        else
        {
            Show(result, source, Encode(_input.Read(result, ConversationJson.Read)));
        }

        // The template writes the special tokens itself.
        IReadOnlyList<TokenView> Encode(ConversationJson conversation) => source.Encode(
            prompts.Render(conversation), options with { AddSpecialTokens = false, ApplyLengths = false });
    }

    private void Show(ParseResult result, TokenizeSource source, IReadOnlyList<TokenView> tokens)
    {
        if (result.GetValue(_json))
        {
            JsonLines.Write(TokenizeJson.WithBytes(tokens));
        }
        else
        {
            TokenTable.Write(Stdio.Out, tokens, source.VocabSize, Stdio.OutShowsStyles);
            Stdio.Out.Flush();
        }
    }
}
