using System.Text.Json;

namespace Octavo.Formats.Hub;

/// <summary>A file of a repository at one commit.</summary>
/// <param name="Path">Its path in the repository, with slashes.</param>
/// <param name="Size">Its bytes; null where that is not known yet.</param>
/// <param name="BlobId">Git's hash of it: of the file itself, or of the pointer that stands for it.</param>
/// <param name="Sha256">The hash of its bytes where it lies in large file storage; else null.</param>
internal sealed record HubFile(string Path, long? Size, string? BlobId, string? Sha256)
{
    /// <summary>What names its content, on the hub and in the cache; null where that is not known yet.</summary>
    public string? ETag => Sha256 ?? BlobId;
}

/// <summary>What a repository holds at one commit. It never changes.</summary>
/// <param name="Commit">The commit.</param>
/// <param name="Files">All files.</param>
internal sealed record HubListing(string Commit, IReadOnlyList<HubFile> Files)
{
    private const int TreeVersion = 1;
    private static readonly JsonWriterOptions Indented = new() { Indented = true };

    /// <summary>The file of a path, or null.</summary>
    public HubFile? Find(string path) => Files.FirstOrDefault(file => file.Path == path);

    /// <summary>Reads what the hub answers to <c>/api/models/ORG/NAME/revision/REV?blobs=true</c>.</summary>
    /// <exception cref="FormatException">It is something else.</exception>
    public static HubListing FromAnswer(ReadOnlyMemory<byte> json) => Parse(json, root =>
    {
        string commit = Text(root, "sha") ?? throw new FormatException("it names no commit (sha)");
        if (!HubName.IsCommit(commit))
        {
            throw new FormatException("its commit (sha) is none");
        }

        return new HubListing(commit, [
            .. from sibling in root.GetProperty("siblings").EnumerateArray()
               let lfs = Member(sibling, "lfs")
               select new HubFile(
                   Text(sibling, "rfilename") ?? throw new FormatException("a file has no name (rfilename)"),
                   Number(sibling, "size") ?? (lfs is { } l ? Number(l, "size") : null),
                   Text(sibling, "blobId"),
                   lfs is { } large ? Text(large, "sha256") : null) into file
               where IsUsable(file)
               select file]);
    });

    /// <summary>Reads what huggingface_hub keeps of a commit in <c>trees/COMMIT.json</c>.</summary>
    /// <exception cref="FormatException">It is something else, or of another version.</exception>
    public static HubListing FromTree(string commit, ReadOnlyMemory<byte> json) => Parse(json, root =>
    {
        return Number(root, "format_version") == TreeVersion
            ? new HubListing(commit, [
                .. from entry in root.GetProperty("files").EnumerateObject()
                   select new HubFile(
                       entry.Name,
                       Number(entry.Value, "lfs_size") ?? Number(entry.Value, "size"),
                       Text(entry.Value, "blob_id"),
                       Text(entry.Value, "lfs_sha256")) into file
                   where IsUsable(file)
                   select file])
            : throw new FormatException("its version is another one");
    });

    /// <summary>Whether everything is known that a tree says.</summary>
    public bool IsWhole => Files.All(file => file is { Size: not null, BlobId: not null });

    /// <summary>The text of <c>trees/COMMIT.json</c>.</summary>
    public byte[] ToTree()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, Indented))
        {
            json.WriteStartObject();
            json.WriteNumber("format_version", TreeVersion);
            json.WriteStartObject("files");
            foreach (HubFile file in Files.OrderBy(file => file.Path, StringComparer.Ordinal))
            {
                json.WriteStartObject(file.Path);
                json.WriteNumber("size", file.Size!.Value);
                json.WriteString("blob_id", file.BlobId);
                if (file.Sha256 is not null)
                {
                    json.WriteString("lfs_sha256", file.Sha256);
                    json.WriteNumber("lfs_size", file.Size.Value);
                }

                json.WriteEndObject();
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    /// <summary>Whether a hash is one, of Git or of large file storage: it becomes a file's name.</summary>
    public static bool IsHash(string hash) => hash.Length is 40 or 64 && hash.All(char.IsAsciiHexDigitLower);

    // Neither a path nor a hash of someone else's making leads out of the cache; what does is no file of a model.
    private static bool IsUsable(HubFile file) =>
        file.Path.Split('/').All(step => step.Trim('.').Length > 0)
        && file.Path.IndexOfAny(['\\', ':', '\0']) < 0
        && file.Size is null or >= 0
        && (file.BlobId is null || IsHash(file.BlobId))
        && (file.Sha256 is null || IsHash(file.Sha256));

    private static HubListing Parse(ReadOnlyMemory<byte> json, Func<JsonElement, HubListing> read)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return read(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new FormatException(e.Message, e);
        }
    }

    private static JsonElement? Member(JsonElement of, string name) =>
        of.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static string? Text(JsonElement of, string name) => Member(of, name)?.GetString();

    private static long? Number(JsonElement of, string name) => Member(of, name)?.GetInt64();
}
