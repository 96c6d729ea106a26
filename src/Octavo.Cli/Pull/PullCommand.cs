using System.CommandLine;
using Octavo.Cli.Terminal;
using Octavo.Formats;
using Octavo.Formats.Hub;

namespace Octavo.Cli.Pull;

/// <summary><c>octavo pull</c>: fetches a model from the hub, or what of it is new.</summary>
internal sealed class PullCommand
{
    private readonly Argument<string> _name = new("NAME")
    {
        Description = "The model's name on the hub: ORG/NAME, behind it @REVISION (a branch, a tag or a commit) or "
            + ":QUANT (of its GGUF files).",
    };

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new PullCommand();
        var command = new Command(
            "pull", "Fetch a model from the hub into its cache, or what has changed there, and print where it is.")
        {
            it._name,
        };
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        string text = result.GetRequiredValue(_name);
        UsageException.ThrowIf(
            Path.Exists(text), $"{text} is here, and goes before a name on the hub: there is nothing to fetch");
        HubName name = HubName.Parse(text);
        Stdio.Out.WriteLine(ModelDownload.Run(text, (progress, stop) => ModelPath.Fetch(name, progress, stop)));
        Stdio.Out.Flush();
        return ExitCode.Success;
    }
}
