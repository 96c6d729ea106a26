using System.CommandLine;
using System.Text.Json;

namespace Octavo.Cli.Options;

/// <summary>What a command calls the parameters that exceptions name as C# does.</summary>
internal static class OptionNames
{
    // Where the option is not the property's name in other letters.
    private static readonly Dictionary<string, string> Renamed = new(StringComparer.Ordinal)
    {
        [nameof(BatchingTargets.InterToken)] = "--target-itl",
        [nameof(BatchingTargets.FirstToken)] = "--target-ttft",
        [nameof(BatchingTargets.Percentile)] = "--target-percentile",
        [nameof(SchedulingOptions.ClientWeights)] = "--client-weight",
    };

    /// <summary>Names for a message: the command's option, or the parameter's name in files and requests.</summary>
    public static Func<string, string> Of(Command command) => parameter =>
    {
        string option = OptionOf(parameter);
        return command.Options.Any(o => o.Name == option)
            ? option
            : JsonNamingPolicy.SnakeCaseLower.ConvertName(parameter);
    };

    /// <summary>Names for a message about a settings file: the members that it may hold.</summary>
    public static Func<string, string> InFile(IReadOnlyList<Setting<EngineOptions>> settings) => parameter =>
        settings.FirstOrDefault(s => s.Option.Name == OptionOf(parameter))?.Key
            ?? JsonNamingPolicy.SnakeCaseLower.ConvertName(parameter);

    private static string OptionOf(string parameter) =>
        Renamed.GetValueOrDefault(parameter) ?? "--" + JsonNamingPolicy.KebabCaseLower.ConvertName(parameter);
}
