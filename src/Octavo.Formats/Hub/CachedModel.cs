namespace Octavo.Formats.Hub;

/// <summary>A model in the cache.</summary>
/// <param name="Name">What it is called to load it.</param>
/// <param name="Commit">Its commit; null where nothing has come whole yet.</param>
/// <param name="Revisions">Branches and tags that are this commit here.</param>
/// <param name="Format">How its weights are stored.</param>
/// <param name="Bytes">What its files take.</param>
/// <param name="IsWhole">Whether it can be loaded without fetching anything.</param>
/// <param name="Time">When a file of it came last.</param>
internal sealed record CachedModel(
    HubName Name,
    string? Commit,
    IReadOnlyList<string> Revisions,
    string Format,
    long Bytes,
    bool IsWhole,
    DateTimeOffset Time)
{
    /// <summary>All models in a cache, whoever put them there.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static IReadOnlyList<CachedModel> List(string cache) => [.. CachedRepository.All(cache).SelectMany(List)];

    private static IEnumerable<CachedModel> List(CachedRepository repository)
    {
        bool none = true;
        ILookup<string, string> revisions = repository.Revisions().ToLookup(r => r.Commit, r => r.Revision);
        foreach (string commit in repository.Commits())
        {
            foreach (CachedModel model in List(repository, commit, [.. revisions[commit]]))
            {
                none = false;
                yield return model;
            }
        }

        if (none && Directory.Exists(repository.Blobs)
            && new DirectoryInfo(repository.Blobs).GetFiles() is { Length: > 0 } blobs)
        {
            yield return new CachedModel(
                new HubName(repository.Name), null, [], "no weights", blobs.Sum(blob => blob.Length), IsWhole: false,
                new DateTimeOffset(blobs.Max(blob => blob.LastWriteTimeUtc)));
        }
    }

    private static IEnumerable<CachedModel> List(CachedRepository repository, string commit, string[] revisions)
    {
        var here = new HubListing(commit, repository.FilesHere(commit));
        var name = new HubName(
            repository.Name,
            revisions.Contains(HubName.DefaultRevision) ? null : revisions.FirstOrDefault() ?? commit);
        var time = new DateTimeOffset(Directory.GetLastWriteTimeUtc(repository.Snapshot(commit)));
        IReadOnlyList<GgufModel> gguf = GgufFiles.Of(here);
        foreach (GgufModel model in gguf)
        {
            yield return new CachedModel(
                name with { Quantization = model.Quantization }, commit, revisions, "GGUF",
                model.Files.Sum(file => file.Size!.Value), model.IsWhole, time);
        }

        HubFile[] others = [.. here.Files.Except(gguf.SelectMany(model => model.Files))];
        bool safetensors = Array.Exists(others, file => Path.GetExtension(file.Path) == ".safetensors");
        bool pickled = Array.Exists(others, file => Path.GetExtension(file.Path) == ".bin");
        if (gguf.Count == 0 || safetensors || pickled)
        {
            yield return new CachedModel(
                name, commit, revisions, safetensors ? "safetensors" : pickled ? "PyTorch" : "no weights",
                others.Sum(file => file.Size!.Value), CanLoad(name, repository, here), time);
        }
    }

    private static bool CanLoad(HubName name, CachedRepository repository, HubListing here)
    {
        try
        {
            HubListing listing = repository.ListingOf(here.Commit) ?? here;
            return ModelHub.FindHere(name, repository, listing, ModelParts.All, out _) is not null;
        }
        catch (Exception e) when (e is HubException or CheckpointException)
        {
            return false;      // no model's files, or an index that is none
        }
    }
}
