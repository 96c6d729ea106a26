using System.CommandLine;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;

namespace Octavo.Cli.Inspect;

/// <summary><c>octavo inspect</c>: what a model is and what it will take, without loading it.</summary>
internal sealed class InspectCommand
{
    private readonly Argument<string?> _model = new("MODEL")
    {
        Description = ModelLocator.Takes + ", or a lone config.json: what it would take. "
            + "[default: the bundled story-teller, tales]",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<bool> _tensors = OptionKinds
        .Switch("--tensors", "List every tensor, instead of one line for all layers.");
    private readonly Option<bool> _json = OptionKinds.Switch("--json", "Print one JSON object, with every tensor.");
    private readonly EngineArguments _engine = new(EngineSettings.Loading, EngineSettings.Limits);

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new InspectCommand();
        var command = new Command(
            "inspect", "Show a model's architecture, tensors and memory plan, and what this processor can do.")
        {
            it._model, it._tensors, it._json,
        };
        it._engine.AddTo(command);
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        EngineOptions options = _engine.Read(result);
        if (result.GetValue(_model) is { } config && File.Exists(config) && Path.GetExtension(config) == ".json")
        {
            var lone = new ConfigReport(config);
            if (result.GetValue(_json))
            {
                lone.WriteJson();
            }
            else
            {
                lone.WriteTables();
            }

            return ExitCode.Success;
        }

        InspectReport report = InspectReport.Make(ModelLocator.Find(result.GetValue(_model)), options);
        if (result.GetValue(_json))
        {
            InspectJson.Write(report);
        }
        else
        {
            InspectTables.Write(report, result.GetValue(_tensors));
        }

        return ExitCode.Success;
    }
}
