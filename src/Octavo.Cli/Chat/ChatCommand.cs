using System.CommandLine;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;

namespace Octavo.Cli.Chat;

/// <summary><c>octavo chat</c>: a conversation, line by line.</summary>
internal sealed class ChatCommand
{
    private readonly Option<string?> _model = OptionKinds
        .Text("--model", "MODEL", ModelLocator.Takes + ". [default: the bundled story-teller, tales]");
    private readonly Option<string?> _system = new("--system")
    {
        Description = "Instructions that stand before the conversation. [default: none]",
        HelpName = "TEXT",      // which may be empty
    };

    private readonly SamplingArguments _sampling = new(defaultMaxTokens: null);
    private readonly EngineArguments _engine = new(
        EngineSettings.Loading, EngineSettings.Steps, EngineSettings.Seeds, EngineSettings.GenerationConfig);

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new ChatCommand();
        var command = new Command(
            "chat",
            "Talk with a model, line by line. Reads standard input, so it works in a pipe too.") { it._model,
            it._system };
        it._sampling.AddTo(command);
        it._engine.AddTo(command);
        command.SetAction((result, _) => it.RunAsync(result));
        return command;
    }

    private async Task<int> RunAsync(ParseResult result)
    {
        EngineOptions options = _engine.Read(result);
        string model = ModelLocator.Find(result.GetValue(_model));
        AsyncEngine engine;
        using (var interrupt = new Interrupt())
        {
            engine = await EngineLoader.LoadAsync(model, options, showProgress: true, interrupt.Token)
                .ConfigureAwait(false);
            EngineLoader.WriteNotes(engine.Model.Notes);
        }

        await using (engine.ConfigureAwait(false))
        {
            long? seed = _engine.NamesSeed(result) ? options.Sampling.Seed : null;
            SamplingParams sampling = _sampling.Read(result, engine.Model) with { Seed = seed };
            sampling.Validate();
            await new ChatSession(engine, sampling, result.GetValue(_system)).RunAsync().ConfigureAwait(false);
        }

        return ExitCode.Success;
    }
}
