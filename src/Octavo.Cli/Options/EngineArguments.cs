using System.CommandLine;
using Octavo.Cli.Terminal;
using Octavo.Engine;

namespace Octavo.Cli.Options;

/// <summary>The options of a command that has an engine.</summary>
/// <param name="groups">Those of <see cref="EngineSettings"/> that mean something to it.</param>
internal sealed class EngineArguments(params Setting<EngineOptions>[][] groups)
{
    private readonly Setting<EngineOptions>[] _settings = [.. groups.SelectMany(g => g)];

    private readonly Option<string?> _file = OptionKinds.Text(
        "--settings", "FILE", "Settings that octavo tune wrote; the command line goes before them.");

    /// <summary>Whether it takes a file of settings, too.</summary>
    public bool TakesFile { get; init; }

    /// <summary>Whether the targets mean something beside adaptive batching: goodput is counted by them.</summary>
    public bool CountsGoodput { get; init; }

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (Setting<EngineOptions> setting in _settings)
        {
            command.Add(setting.Option);
        }

        if (TakesFile)
        {
            command.Add(_file);
        }
    }

    /// <summary>What the command line says, over the file, over the defaults.</summary>
    /// <exception cref="EngineConfigurationException">
    /// Values cannot be; the exception names all that are wrong.
    /// </exception>
    public EngineOptions Read(ParseResult result)
    {
        EngineOptions options = result.GetValue(_file) is { } path
            ? SettingsFile.Read(path, _settings)
            : new EngineOptions();
        options = _settings.Aggregate(options, (record, setting) => setting.Apply(record, result));
        RefuseTargets(result, options.Scheduling.Batching);
        options.Validate();
        return options;
    }

    /// <summary>Whether the command line names a seed.</summary>
    public bool NamesSeed(ParseResult result) =>
        Array.Exists(_settings, s => s.Option.Name == EngineSettings.Seed && s.IsGiven(result));

    // Fixed limits aim at nothing: a target beside them would be believed and not held.
    private void RefuseTargets(ParseResult result, BatchingMode batching)
    {
        if (CountsGoodput || batching == BatchingMode.Adaptive)
        {
            return;
        }

        string[] targets = [.. EngineSettings.Targets.Concat(EngineSettings.Percentile).Select(t => t.Option.Name)];
        if (Array.Find(_settings, s => targets.Contains(s.Option.Name) && s.IsGiven(result)) is { } target)
        {
            throw new UsageException(
                $"{target.Option.Name} goes with --batching adaptive: fixed limits hold no target");
        }
    }
}
