using System.Globalization;
using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Formats.Hub;
using Spectre.Console;

namespace Octavo.Cli.Models;

/// <summary>The models in the hub's cache, as <c>octavo models --local</c> lists them.</summary>
internal static class LocalModels
{
    private const int ShortCommit = 12;
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes the list.</summary>
    /// <param name="asJson">Whether as a JSON array instead of a table.</param>
    public static void Write(bool asJson)
    {
        string cache = HubSettings.FromEnvironment().CacheDirectory;
        IReadOnlyList<CachedModel> models = CachedModel.List(cache);
        if (asJson)
        {
            var rows = models.Select(model => new
            {
                name = model.Name.ToString(),
                commit = model.Commit,
                revisions = model.Revisions,
                format = model.Format,
                bytes = model.Bytes,
                complete = model.IsWhole,
                modified = model.Time.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
            });
            Stdio.Out.WriteLine(JsonSerializer.Serialize(rows, Indented));
        }
        else
        {
            WriteTable(models, cache);
        }

        Stdio.Out.Flush();
    }

    private static void WriteTable(IReadOnlyList<CachedModel> models, string cache)
    {
        Table table = new Table()
            .AddColumn("name").AddColumn("revision").AddColumn(new TableColumn("size").RightAligned())
            .AddColumn("format").AddColumn("when");
        table.Title = new TableTitle($"{models.Count} in {Markup.Escape(cache)}");
        table.Border = TableBorder.Rounded;
        foreach (CachedModel model in models)
        {
            string[] revision =
                [.. model.Revisions, .. model.Commit is { } commit ? [commit[..ShortCommit]] : Array.Empty<string>()];
            table.AddRow(
                Markup.Escape(model.Name.ToString()),
                Markup.Escape(string.Join(", ", revision)),
                ByteSize.Format(model.Bytes),
                model.Format + (model.IsWhole ? string.Empty : ", not complete"),
                model.Time.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture));
        }

        Tables.Console().Write(table);
    }
}
