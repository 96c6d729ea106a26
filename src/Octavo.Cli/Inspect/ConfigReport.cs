using System.Text.Json;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;
using Spectre.Console;

namespace Octavo.Cli.Inspect;

/// <summary>
/// What a lone <c>config.json</c> tells of a model: its decoder, and what it will take, before anything is downloaded.
/// </summary>
internal sealed class ConfigReport
{
    private readonly string _path;
    private readonly DecoderSpec _spec;
    private readonly IReadOnlyList<string> _notes;
    private readonly (string Scheme, long Bytes)[] _weights;
    private readonly (string Format, long Bytes)[] _cache;
    private readonly CacheKind[] _kinds;

    /// <summary>Reads a configuration.</summary>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not supported.</exception>
    /// <exception cref="CheckpointException">It is no object, or a field is missing or wrong.</exception>
    public ConfigReport(string path)
    {
        _path = path;
        _spec = ModelCatalog.Describe(ModelSource.ReadConfig(path), out _notes);
        _weights = [.. WeightScheme.Names.Select(name =>
            (name, SpecSizes.WeightBytes(_spec, ModelPlan.SchemeNamed(name))))];
        _cache = [.. Enum.GetValues<KvCacheFormat>().Select(format =>
            (SettingNames.Of(format), SpecSizes.CacheBytesPerToken(_spec, format)))];
        _kinds = [.. _spec.CachedAttentions.GroupBy(layer => layer.Window).Select(kind => new CacheKind(
            kind.Key,
            kind.Count(),
            Math.Min(kind.Key ?? int.MaxValue, _spec.MaxPositionEmbeddings)
                * SpecSizes.CacheBytesPerToken(
                    _spec with { Layers = [.. kind.Select(layer => new LayerSpec([layer]))] },
                    KvCacheFormat.BFloat16)))];
    }

    /// <summary>Writes it for people.</summary>
    public void WriteTables()
    {
        IAnsiConsole console = Tables.Console();
        console.Write(InspectTables.Facts(Path.GetFileName(_path), InspectReport.SpecRows(_spec)));
        console.Write(InspectTables.Facts("weights", _weights.Select(w => (w.Scheme, ByteSize.Format(w.Bytes)))));
        console.Write(InspectTables.Facts(
            "key-value cache, a token", _cache.Select(c => (c.Format, ByteSize.Format(c.Bytes)))));
        console.Write(InspectTables.Facts(
            $"in bfloat16, a request of {_spec.MaxPositionEmbeddings} tokens",
            _kinds.Select(kind => (kind.Title, ByteSize.Format(kind.Bytes)))));
        Stdio.Out.Flush();
        EngineLoader.WriteNotes(_notes);
    }

    /// <summary>Writes it for programs.</summary>
    public void WriteJson() => InspectJson.Write(json =>
    {
        json.WriteString("path", _path);
        InspectJson.WriteSpec(json, _spec);
        WriteBytes(json, "weight_bytes", _weights);
        WriteBytes(json, "kv_cache_bytes_per_token", _cache);
        InspectJson.WriteCacheKinds(json, _kinds);
        json.WriteStartArray("notes");
        foreach (string note in _notes)
        {
            json.WriteStringValue(note);
        }

        json.WriteEndArray();
    });

    private static void WriteBytes(Utf8JsonWriter json, string name, IEnumerable<(string Name, long Bytes)> sizes)
    {
        json.WriteStartObject(name);
        foreach ((string of, long bytes) in sizes)
        {
            json.WriteNumber(of, bytes);
        }

        json.WriteEndObject();
    }
}
