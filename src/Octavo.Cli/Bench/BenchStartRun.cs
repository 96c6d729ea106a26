using System.CommandLine;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Lab;
using Octavo.Lab.Measuring;

namespace Octavo.Cli.Bench;

/// <summary>
/// <c>octavo bench start-run</c>: one start of <see cref="BenchStart"/>, in the process that is measured. It says when
/// the first token is there, and then its figures.
/// </summary>
internal sealed class BenchStartRun
{
    /// <summary>Its name.</summary>
    public const string Name = "start-run";

    /// <summary>The option that names the load.</summary>
    public const string Load = "--load";

    /// <summary>The line that says that the first token is there.</summary>
    public const string FirstToken = "first token";

    private readonly Argument<string> _model = new("MODEL") { Description = "The model's directory." };
    private readonly Option<StartLoad> _load = OptionKinds.Choice(
        Load, "What it does then.", [.. Enum.GetValues<StartLoad>().Select(l => (l.ToString(), l))]);

    private readonly EngineArguments _engine = new(EngineSettings.Weights, EngineSettings.Threads);

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new BenchStartRun();
        var command = new Command(Name, "One start of bench start, in a process of its own.")
        {
            it._model, it._load,
        };
        command.Hidden = true;
        it._engine.AddTo(command);
        command.SetAction((result, _) => it.RunAsync(result));
        return command;
    }

    private async Task<int> RunAsync(ParseResult result)
    {
        string model = result.GetRequiredValue(_model);
        EngineOptions options = _engine.Read(result);
        using (var opened = Model.Open(model))
        {
            options = options with { Model = options.Model with { SkipTokenizerInit = !opened.HasTokenizer } };
        }

        StartFigures figures = await StartBenchmark.RunAsync(model, options, result.GetValue(_load), () =>
        {
            Stdio.Out.WriteLine(FirstToken);
            Stdio.Out.Flush();
        }).ConfigureAwait(false);
        await Stdio.Out.WriteLineAsync(JsonText.Of(figures.WriteTo)).ConfigureAwait(false);
        await Stdio.Out.FlushAsync().ConfigureAwait(false);
        return ExitCode.Success;
    }
}
