using System.CommandLine;
using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Engine;
using Octavo.Lab;

namespace Octavo.Cli.Options;

/// <summary>
/// Settings that <c>octavo tune</c> found and <c>octavo serve --settings</c> reads: a JSON object whose members are the
/// command's options, <c>max_num_seqs</c> for <c>--max-num-seqs</c>. Times may be numbers of milliseconds under a name
/// that ends in <c>_ms</c>.
/// </summary>
internal static class SettingsFile
{
    private const string Milliseconds = "_ms";

    /// <summary>The defaults with what a file says.</summary>
    /// <param name="path">The file.</param>
    /// <param name="settings">What it may hold.</param>
    /// <exception cref="UsageException">
    /// It is not there, or a member is unknown, of another kind, or cannot be.
    /// </exception>
    public static EngineOptions Read(string path, IReadOnlyList<Setting<EngineOptions>> settings)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new FormatException("it must hold one JSON object");
            }

            JsonProperty[] members = [.. document.RootElement.EnumerateObject()];
            if (members.GroupBy(m => m.Name).FirstOrDefault(same => same.Count() > 1) is { } twice)
            {
                throw new FormatException($"'{twice.Key}' stands there twice");
            }

            EngineOptions options =
                members.Aggregate(new EngineOptions(), (record, member) => Apply(record, member, settings));
            options.Validate();
            return options;
        }
        catch (EngineConfigurationException e)
        {
            throw new UsageException($"--settings {path}: {e.Describe(OptionNames.InFile(settings))}");
        }
        catch (JsonException e)
        {
            throw new UsageException($"--settings {path}: it is not JSON: {e.Message}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            throw new UsageException($"--settings {path}: {e.Message}");
        }
    }

    /// <summary>The text of a file that sets a step's limits and targets.</summary>
    public static string Write(SchedulingOptions scheduling) => JsonText.Of(json =>
    {
        json.WriteString("batching", scheduling.Batching == BatchingMode.Fixed ? "fixed" : "adaptive");
        json.WriteNumber("max_num_seqs", scheduling.MaxNumSeqs);
        json.WriteNumber("max_num_batched_tokens", scheduling.StepTokens);
        json.WriteNumber("target_itl" + Milliseconds, scheduling.Targets.InterToken.TotalMilliseconds);
        if (scheduling.Targets.FirstToken is { } first)
        {
            json.WriteNumber("target_ttft" + Milliseconds, first.TotalMilliseconds);
        }
    });

    // By the option itself, which knows what it takes.
    private static EngineOptions Apply(
        EngineOptions options, JsonProperty member, IReadOnlyList<Setting<EngineOptions>> settings)
    {
        (Setting<EngineOptions> setting, string unit) = Find(member.Name, settings);
        try
        {
            JsonValueKind kind = member.Value.ValueKind;
            if (setting.Option is Option<bool> && kind is not (JsonValueKind.True or JsonValueKind.False))
            {
                throw new FormatException("takes true or false");
            }

            string[] arguments =
                [.. setting.Words(member.Value).SelectMany(word => new[] { setting.Option.Name, word + unit })];
            ParseResult result = new Command("settings") { setting.Option }.Parse(arguments);
            return result.Errors.Count == 0
                ? setting.Apply(options, result)
                : throw new FormatException(result.Errors[0].Message);
        }
        catch (FormatException e)
        {
            throw new FormatException($"{member.Name}: {e.Message}", e);
        }
    }

    private static (Setting<EngineOptions> Setting, string Unit) Find(
        string name, IReadOnlyList<Setting<EngineOptions>> settings)
    {
        if (settings.FirstOrDefault(s => s.Key == name) is { } setting)
        {
            return (setting, string.Empty);
        }

        if (settings.FirstOrDefault(s => s.Option is Option<TimeSpan?> && s.Key + Milliseconds == name) is { } time)
        {
            return (time, "ms");
        }

        string[] known = [.. settings.Select(s => s.Key)];
        string advice = EditDistance.Nearest(name, known) is { } meant
            ? $"did you mean {meant}?"
            : $"known: {string.Join(", ", known)}";
        throw new FormatException($"'{name}' is unknown; {advice}");
    }
}
