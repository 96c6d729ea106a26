using System.CommandLine;
using System.Text.Json;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;

namespace Octavo.Cli.Render;

/// <summary><c>octavo render</c>: the prompt that a chat template makes of a conversation.</summary>
internal sealed class RenderCommand
{
    private readonly Argument<string?> _model = new("MODEL")
    {
        Description = ModelLocator.Takes
            + ", or a chat template's .jinja. [default: the bundled story-teller, tales]",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly InputOption _input = new(ConversationJson.Help);

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
            it._model,
        };
        it._input.AddTo(command);
        command.Add(it._template);
        command.Add(it._json);
        command.Add(it._lines);
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        RenderSource source = RenderSource.Load(result.GetValue(_model), result.GetValue(_template));
        if (result.GetValue(_lines))
        {
            _input.Read(result, input => JsonLines.Answer(
                input, line => Answer(source.Render(ConversationJson.Parse(line)).Text)));
            return ExitCode.Success;
        }

        string text = source.Render(_input.Read(result, ConversationJson.Read)).Text;
        if (result.GetValue(_json))
        {
            JsonLines.Write(Answer(text));
        }
        else
        {
            // To the character: a newline that the template did not write would be one of the prompt.
            Stdio.Out.Write(Stdio.OutIsTerminal ? text + "\n" : text);
            Stdio.Out.Flush();
        }

        return ExitCode.Success;
    }

    private static Action<Utf8JsonWriter> Answer(string text) => json => json.WriteString("rendered", text);
}
