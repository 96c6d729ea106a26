using System.Text.Json;
using Octavo.Lab.Workloads;

namespace Octavo.Lab.Tuning;

/// <summary>
/// What a tuning has measured so far. The search follows from its figures alone, so with them it goes on where it
/// stopped. The file is replaced as a whole after each run, and deleted when all is done.
/// </summary>
internal sealed class TuneState
{
    private readonly string? _path;
    private readonly IReadOnlyDictionary<string, string> _arguments;
    private readonly Dictionary<(string Stage, int Round, BatchSetting Setting, int Requests), LoadFigures> _runs = [];

    private TuneState(string? path, IReadOnlyDictionary<string, string> arguments) =>
        (_path, _arguments) = (path, arguments);

    /// <summary>Runs that are known.</summary>
    public int Count => _runs.Count;

    /// <summary>Opens the state of a tuning, or begins one.</summary>
    /// <param name="path">Its file; null keeps none.</param>
    /// <param name="arguments">All that the figures depend on.</param>
    /// <exception cref="TuneStateException">The file belongs to another tuning or is none.</exception>
    public static TuneState Open(string? path, IReadOnlyDictionary<string, string> arguments)
    {
        var state = new TuneState(path, arguments);
        if (path is null || !File.Exists(path))
        {
            return state;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            state.Read(document.RootElement);
            return state;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException
            or InvalidOperationException or FormatException or KeyNotFoundException or ArgumentException)
        {
            throw new TuneStateException($"{path} is not the state of a tuning ({e.Message}); delete it to start anew");
        }
    }

    /// <summary>What a trial found; null where it has not been run.</summary>
    public LoadFigures? Find(TuneTrial trial) => _runs.GetValueOrDefault(Key(trial));

    /// <summary>Notes what a trial found.</summary>
    public void Add(TuneTrial trial, LoadFigures figures)
    {
        _runs.Add(Key(trial), figures);
        if (_path is not null)
        {
            WholeFile.Write(_path, JsonText.Of(Write));
        }
    }

    /// <summary>All is done: nothing is left to go on with.</summary>
    public void Delete()
    {
        if (_path is not null)
        {
            File.Delete(_path);
        }
    }

    private static (string, int, BatchSetting, int) Key(TuneTrial t) => (t.Stage, t.Round, t.Setting, t.Requests);

    private void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("arguments");
        foreach ((string name, string value) in _arguments)
        {
            json.WriteString(name, value);
        }

        json.WriteEndObject();
        json.WriteStartArray("runs");
        foreach (((string stage, int round, BatchSetting setting, int requests), LoadFigures figures) in _runs)
        {
            json.WriteStartObject();
            json.WriteString("stage", stage);
            json.WriteNumber("round", round);
            FiguresJson.Write(json, setting);
            json.WriteNumber("requests", requests);
            FiguresJson.Write(json, figures);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void Read(JsonElement root)
    {
        var theirs = root.GetProperty("arguments").EnumerateObject()
            .ToDictionary(a => a.Name, a => a.Value.GetString()!, StringComparer.Ordinal);
        string[] other = [.. theirs.Keys.Union(_arguments.Keys)
            .Where(name => theirs.GetValueOrDefault(name) != _arguments.GetValueOrDefault(name))
                .Select(name => $"{name} {theirs.GetValueOrDefault(name) ?? "not given"} there, "
                    + $"{_arguments.GetValueOrDefault(name) ?? "not given"} here")];
        if (other.Length > 0)
        {
            throw new TuneStateException($"{_path} was begun by another command ({string.Join("; ", other)}): give "
                + "the same arguments to go on, or delete it to start anew");
        }

        foreach (JsonElement run in root.GetProperty("runs").EnumerateArray())
        {
            var key = (
                run.GetProperty("stage").GetString()!,
                run.GetProperty("round").GetInt32(),
                FiguresJson.ReadSetting(run),
                run.GetProperty("requests").GetInt32());
            _runs.Add(key, FiguresJson.ReadFigures(run));
        }
    }
}

/// <summary>The record of a tuning cannot be gone on with; the message says why, and what to do.</summary>
internal sealed class TuneStateException(string message) : Exception(message);
