namespace Octavo.Formats.Hub;

/// <summary>Takes a model out of the cache: what is removed is known, and said, before anything is.</summary>
internal sealed class CacheRemoval
{
    private readonly string _locks;
    private readonly List<string> _refs = [];
    private readonly List<string> _folders = [];
    private readonly List<string> _files = [];

    private CacheRemoval(string title, string locks) => (Title, _locks) = (title, locks);

    /// <summary>What is removed.</summary>
    public string Title { get; }

    /// <summary>What that frees.</summary>
    public long Bytes { get; private set; }

    /// <summary>
    /// What a name means here: a repository with all its revisions, one revision (a commit may be shortened), or the
    /// GGUF file of a quantization.
    /// </summary>
    /// <exception cref="HubException">There is no such thing in the cache.</exception>
    public static CacheRemoval Of(string cache, HubName name)
    {
        var repository = new CachedRepository(cache, name.Repository);
        if (!Directory.Exists(repository.Folder))
        {
            throw No($"there is no {repository.Folder}");
        }

        var removal = new CacheRemoval(name.ToString(), repository.Locks);
        if (name.Revision is null && name.Quantization is null)
        {
            removal.AddRepository(repository);
            return removal;
        }

        string commit = CommitOf(repository, name.RevisionOrDefault)
            ?? throw No($"its revision {name.RevisionOrDefault} is not here");
        IReadOnlyList<HubFile> files = repository.FilesHere(commit);
        if (name.Quantization is null)
        {
            removal.AddCommit(repository, commit, files);
            return removal;
        }

        IReadOnlyList<HubFile> chosen = GgufFiles.Choose(name, new HubListing(commit, files));
        if (chosen.Count == files.Count)
        {
            removal.AddCommit(repository, commit, files);
        }
        else
        {
            removal._files.AddRange(chosen.Select(file => repository.PathOf(commit, file)));
            removal.AddFiles(repository, commit, chosen);
        }

        return removal;

        HubException No(string problem) =>
            new(HubFailure.NotFound, name.ToString(), $"it is not in the cache: {problem}");
    }

    /// <summary>Removes it.</summary>
    /// <remarks>Names go first and contents last, so that a name never means something of which parts are gone.
    /// </remarks>
    /// <exception cref="HubException">Another process fetches files of it, or they cannot be removed.</exception>
    public void Run()
    {
        List<FileStream> held = [];
        try
        {
            foreach (string file in Directory.Exists(_locks) ? Directory.GetFiles(_locks) : [])
            {
                held.Add(CachedRepository.TryOpenAlone(file, out FileStream? own) ? own : throw new HubException(
                    HubFailure.Storage, Title, "another process fetches files of it; nothing is removed"));
            }

            _refs.ForEach(File.Delete);
            foreach (string folder in _folders.Where(Directory.Exists))
            {
                Directory.Delete(folder, recursive: true);
            }

            _files.ForEach(File.Delete);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new HubException(HubFailure.Storage, Title, $"it cannot be removed: {e.Message}", e);
        }
        finally
        {
            held.ForEach(file => file.Dispose());
        }
    }

    private static string? CommitOf(CachedRepository repository, string revision)
    {
        const int shortest = 7;
        string[] begun = revision.Length >= shortest
            ? [.. repository.Commits().Where(commit => commit.StartsWith(revision, StringComparison.Ordinal))]
            : [];
        string? commit = repository.CommitOf(revision) ?? (begun.Length == 1 ? begun[0] : null);
        return commit is not null && Directory.Exists(repository.Snapshot(commit)) ? commit : null;
    }

    private void AddRepository(CachedRepository repository)
    {
        // Links count nothing: what they lead to counts.
        Bytes = new DirectoryInfo(repository.Folder).EnumerateFiles("*", SearchOption.AllDirectories)
            .Where(file => file.LinkTarget is null).Sum(file => file.Length);
        _folders.AddRange([repository.Refs, repository.Snapshots, repository.Folder]);
    }

    private void AddCommit(CachedRepository repository, string commit, IReadOnlyList<HubFile> files)
    {
        _refs.AddRange(
            repository.Revisions().Where(r => r.Commit == commit).Select(r => repository.RefFile(r.Revision)));
        _folders.Add(repository.Snapshot(commit));
        _folders.Add(Path.Combine(repository.Folder, ".no_exist", commit));
        AddFiles(repository, commit, files);
        _files.AddRange(new[] { repository.TreeFile(commit) }.Where(File.Exists));
    }

    // The contents of files that no other file of any commit has.
    private void AddFiles(CachedRepository repository, string commit, IReadOnlyList<HubFile> files)
    {
        HashSet<string> removed = [.. files.Select(file => repository.PathOf(commit, file))];
        HashSet<string> kept =
        [
            .. from other in repository.Commits()
               from file in repository.FilesHere(other)
               let path = repository.PathOf(other, file)
               where !removed.Contains(path)
               select ContentOf(path),
        ];
        string[] contents = [.. removed.Select(ContentOf).Distinct().Where(content => !kept.Contains(content))];
        Bytes += contents.Sum(content => CachedRepository.LengthOf(content) ?? 0);
        _files.AddRange(contents.Except(removed));
    }

    private static string ContentOf(string path) => new FileInfo(path).LinkTarget is { } target
        ? Path.GetFullPath(target, Path.GetDirectoryName(path)!)
        : path;
}
