using System.CommandLine;
using System.Text.Json;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Text;

namespace Octavo.Cli.Render;

/// <summary><c>octavo render</c>: the prompt that a chat template makes of a conversation.</summary>
internal sealed class RenderCommand
{
    private readonly Argument<string?> _model = new("MODEL")
    {
        Description = "The model's directory, or a chat template's file. [default: the bundled story-teller, tales]",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _input = OptionKinds.Text(
        "--input", "FILE", "The conversation as JSON: a list of messages, or an object with messages, tools, "
            + "documents, kwargs and special_tokens. [default: standard input]");

    private readonly Option<string?> _template = OptionKinds.Text(
        "--template",
        "NAME",
        "Which of the model's templates. [default: tool_use where tools are given, else default]");

    private readonly Option<bool> _json = OptionKinds.Switch("--json", "Print one JSON object.");
    private readonly Option<bool> _lines = OptionKinds.Switch(
        "--jsonl", "Answer each line of the input with a line: an object with rendered, or with error.");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new RenderCommand();
        var command = new Command("render", "Print the prompt that a model's chat template makes of a conversation.")
        {
            it._model, it._input, it._template, it._json, it._lines,
        };
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        RenderSource source = RenderSource.Load(result.GetValue(_model), result.GetValue(_template));
        string? file = result.GetValue(_input);
        UsageException.ThrowIf(file is not null && !File.Exists(file), $"no such file: {file}");
        using TextReader? opened = file is null ? null : new StreamReader(file);
        TextReader input = opened ?? Stdio.In;
        if (result.GetValue(_lines))
        {
            while (input.ReadLine() is { } line)
            {
                RenderJson.Write(source, line);
            }

            return ExitCode.Success;
        }

        string text = source.Render(ReadWhole(input));
        if (result.GetValue(_json))
        {
            RenderJson.Write("rendered", text);
        }
        else
        {
            // To the character: a newline that the template did not write would be one of the prompt.
            Stdio.Out.Write(Stdio.OutIsTerminal ? text + "\n" : text);
            Stdio.Out.Flush();
        }

        return ExitCode.Success;
    }

    private static ConversationJson ReadWhole(TextReader input)
    {
        try
        {
            return ConversationJson.Parse(input.ReadToEnd());
        }
        catch (JsonException e)
        {
            throw new UsageException($"the conversation is not right: {e.Message}");
        }
    }
}
