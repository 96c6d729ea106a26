using System.CommandLine;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Formats.Hub;

namespace Octavo.Cli.Remove;

/// <summary><c>octavo rm</c>: takes a model out of the hub's cache.</summary>
internal sealed class RemoveCommand
{
    private readonly Argument<string> _name = new("NAME")
    {
        Description = "What to remove: ORG/NAME is all of a repository that is here, ORG/NAME@REVISION one of its "
            + "revisions, ORG/NAME:QUANT a GGUF file.",
    };

    private readonly Option<bool> _yes = OptionKinds.Switch("--yes", "Ask nothing.");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new RemoveCommand();
        it._yes.Aliases.Add("-y");
        var command = new Command(
            "rm", "Remove a model from the hub's cache; files that another revision has, too, stay.")
        {
            it._name, it._yes,
        };
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        HubName name = HubName.Parse(result.GetRequiredValue(_name));
        var removal = CacheRemoval.Of(HubSettings.FromEnvironment().CacheDirectory, name);
        string size = ByteSize.Format(removal.Bytes);
        if (!result.GetValue(_yes) && !IsWanted($"remove {name} ({size})?"))
        {
            Stdio.Error.WriteLine("nothing is removed");
            return ExitCode.Failure;
        }

        removal.Run();
        Stdio.Out.WriteLine($"{name}: removed {size}");
        Stdio.Out.Flush();
        return ExitCode.Success;
    }

    private static bool IsWanted(string question)
    {
        UsageException.ThrowIf(
            !(Stdio.InIsTerminal && Stdio.ErrorIsTerminal), $"{question} Nobody is there to be asked: say --yes");
        Stdio.Error.Write(question + " [y/N] ");
        return Stdio.In.ReadLine()?.Trim() is "y" or "Y" or "yes";
    }
}
