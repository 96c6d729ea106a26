using System.Diagnostics.CodeAnalysis;

namespace Octavo.Formats.Hub;

/// <summary>
/// One repository in the cache, laid out as Python's huggingface_hub does, which shares it:
/// <c>models--ORG--NAME/blobs/ETAG</c> are contents, <c>snapshots/COMMIT/PATH</c> links to them, <c>refs/REVISION</c>
/// says which commit a branch is, <c>trees/COMMIT.json</c> what a commit holds; <c>.locks</c> stands beside.
/// </summary>
/// <param name="cache">The cache's directory.</param>
/// <param name="repository"><c>ORG/NAME</c>.</param>
internal sealed class CachedRepository(string cache, string repository)
{
    private const string Prefix = "models--";
    private const string Separator = "--";
    private const string SnapshotFolder = "snapshots";
    private const string IncompleteEnd = ".incomplete";

    /// <summary>Makes a symbolic link at a path to a target; tests put in one that cannot.</summary>
    internal Action<string, string> MakeLink { get; init; } =
        static (path, target) => File.CreateSymbolicLink(path, target);

    /// <summary><c>ORG/NAME</c>.</summary>
    public string Name => repository;

    /// <summary>Its folder.</summary>
    public string Folder { get; } = Path.Combine(cache, FolderName(repository));

    /// <summary>The folder of contents.</summary>
    public string Blobs => Path.Combine(Folder, "blobs");

    /// <summary>The folder that has a folder for each commit.</summary>
    public string Snapshots => Path.Combine(Folder, SnapshotFolder);

    /// <summary>The folder that has a file for each branch or tag.</summary>
    public string Refs => Path.Combine(Folder, "refs");

    /// <summary>The folder of locks, one for each content.</summary>
    public string Locks { get; } = Path.Combine(cache, ".locks", FolderName(repository));

    /// <summary>All repositories of models in a cache, in the order of their names.</summary>
    public static IEnumerable<CachedRepository> All(string cache) => Directory.Exists(cache)
        ? Directory.GetDirectories(cache, Prefix + "*").Order(StringComparer.Ordinal)
            .Select(folder => new CachedRepository(
                cache, Path.GetFileName(folder)[Prefix.Length..].Replace(Separator, "/", StringComparison.Ordinal)))
        : [];

    /// <summary>The name of the model that lies at a path, <c>ORG/NAME</c>; null where that is in no cache.</summary>
    public static string? NameOf(string path)
    {
        DirectoryInfo? commit = new(path);
        while (commit is not null && commit.Parent?.Name != SnapshotFolder)
        {
            commit = commit.Parent;
        }

        return commit?.Parent?.Parent?.Name is { } folder && folder.StartsWith(Prefix, StringComparison.Ordinal)
            ? folder[Prefix.Length..].Replace(Separator, "/", StringComparison.Ordinal)
            : null;
    }

    /// <summary>The commit that a revision is here; null where that is not known.</summary>
    public string? CommitOf(string revision)
    {
        if (HubName.IsCommit(revision))
        {
            return revision;
        }

        string file = RefFile(revision);
        string? commit = File.Exists(file) ? File.ReadAllText(file).Trim() : null;
        return commit is not null && HubName.IsCommit(commit) ? commit : null;
    }

    /// <summary>Says which commit a revision is.</summary>
    public void SetCommit(string revision, string commit)
    {
        if (!HubName.IsCommit(revision) && CommitOf(revision) != commit)
        {
            WriteWhole(RefFile(revision), System.Text.Encoding.ASCII.GetBytes(commit));
        }
    }

    /// <summary>The folder of a commit's files.</summary>
    public string Snapshot(string commit) => Path.Combine(Snapshots, commit);

    /// <summary>Where a file of a commit stands.</summary>
    public string PathOf(string commit, HubFile file) =>
        Path.Combine([Snapshot(commit), .. file.Path.Split('/')]);

    /// <summary>Where a content stands.</summary>
    public string Blob(string etag) => Path.Combine(Blobs, etag);

    /// <summary>Where a content stands while it comes.</summary>
    public string Incomplete(string etag) => Blob(etag) + IncompleteEnd;

    /// <summary>What a commit holds, as it was read before; null where that is not known.</summary>
    public HubListing? ListingOf(string commit)
    {
        string file = TreeFile(commit);
        try
        {
            return File.Exists(file) ? HubListing.FromTree(commit, File.ReadAllBytes(file)) : null;
        }
        catch (FormatException)
        {
            return null;      // a later version's, or damaged: the hub is asked again, and it is written anew
        }
    }

    /// <summary>Keeps what a commit holds.</summary>
    public void Keep(HubListing listing)
    {
        if (listing.IsWhole && ListingOf(listing.Commit) is null)
        {
            WriteWhole(TreeFile(listing.Commit), listing.ToTree());
        }
    }

    /// <summary>Whether a file of a commit is here, whole.</summary>
    public bool Has(string commit, HubFile file) => LengthOf(PathOf(commit, file)) is { } length
        && (file.Size is null || file.Size == length);

    /// <summary>Whether the content of a file is here, whole.</summary>
    public bool HasBlob(HubFile file) => LengthOf(Blob(file.ETag!)) is { } length && length == file.Size;

    /// <summary>The bytes of a file, behind links; null where there is none.</summary>
    public static long? LengthOf(string path)
    {
        FileSystemInfo? file = new FileInfo(path);
        try
        {
            file = file.LinkTarget is null ? file : file.ResolveLinkTarget(returnFinalTarget: true);
        }
        catch (IOException)
        {
            return null;      // links in a circle
        }

        return file is FileInfo { Exists: true } found ? found.Length : null;
    }

    /// <summary>
    /// Puts a content that is here under a file's name: by a link, or where none can be made, as itself or a copy.
    /// </summary>
    /// <remarks>Whoever calls it holds the content's lock.</remarks>
    /// <param name="commit">The commit.</param>
    /// <param name="file">Its file.</param>
    /// <param name="isNew">Whether nothing else can refer to the content yet, so that it need not be copied.</param>
    public void Link(string commit, HubFile file, bool isNew)
    {
        string path = PathOf(commit, file);
        string blob = Blob(file.ETag!);
        string folder = Directory.CreateDirectory(Path.GetDirectoryName(path)!).FullName;
        string fresh = Path.Combine(Folder, ".octavo-" + file.ETag);
        File.Delete(fresh);      // of a process that was killed here
        try
        {
            MakeLink(fresh, Path.GetRelativePath(folder, blob));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            // Windows asks for a right that few have; some disks know no links.
            if (isNew)
            {
                File.Move(blob, fresh);
            }
            else
            {
                File.Copy(blob, fresh);
            }
        }

        File.Move(fresh, path, overwrite: true);
    }

    /// <summary>Waits until nobody else fetches a content; disposing lets the next one in.</summary>
    /// <param name="etag">The content.</param>
    /// <param name="onWait">Called once, where somebody does.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async Task<IDisposable> LockAsync(string etag, Action onWait, CancellationToken cancellationToken)
    {
        // Python locks the same file in the same way (flock).
        string file = Path.Combine(Directory.CreateDirectory(Locks).FullName, etag + ".lock");
        for (bool first = true; ; first = false)
        {
            if (TryOpenAlone(file, out FileStream? held))
            {
                return held;
            }

            if (first)
            {
                onWait();
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Opens a file that no other process has open in this way.</summary>
    public static bool TryOpenAlone(string path, [NotNullWhen(true)] out FileStream? stream)
    {
        const int linuxWouldBlock = 11, macWouldBlock = 35;
        const int sharingViolation = unchecked((int)0x80070020), lockViolation = unchecked((int)0x80070021);
        try
        {
            stream = new FileStream(
                path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0, useAsync: false);
            return true;
        }
        catch (IOException e) when (e.HResult
            is linuxWouldBlock or macWouldBlock or sharingViolation or lockViolation)
        {
            stream = null;
            return false;
        }
    }

    /// <summary>The revisions that are known, with their commits.</summary>
    public IEnumerable<(string Revision, string Commit)> Revisions() => Directory.Exists(Refs)
        ? from file in Directory.EnumerateFiles(Refs, "*", SearchOption.AllDirectories)
          let revision = Path.GetRelativePath(Refs, file).Replace(Path.DirectorySeparatorChar, '/')
          let commit = CommitOf(revision)
          where commit is not null
          orderby revision
          select (revision, commit)
        : [];

    /// <summary>The commits of which files are here.</summary>
    public IEnumerable<string> Commits() => Directory.Exists(Snapshots)
        ? Directory.GetDirectories(Snapshots).Select(d => Path.GetFileName(d)!).Where(HubName.IsCommit)
            .Order(StringComparer.Ordinal)
        : [];

    /// <summary>The files of a commit that are here, whatever made them.</summary>
    public IReadOnlyList<HubFile> FilesHere(string commit)
    {
        string folder = Snapshot(commit);
        return Directory.Exists(folder)
            ? [
                .. from path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
                   let length = LengthOf(path)
                   where length is not null
                   let name = Path.GetRelativePath(folder, path).Replace(Path.DirectorySeparatorChar, '/')
                   orderby name
                   select new HubFile(name, length, null, null)]
            : [];
    }

    /// <summary>The file that says which commit a revision is.</summary>
    public string RefFile(string revision) => Path.Combine([Refs, .. revision.Split('/')]);

    /// <summary>The file that says what a commit holds.</summary>
    public string TreeFile(string commit) => Path.Combine(Folder, "trees", commit + ".json");

    private static string FolderName(string repository) =>
        Prefix + repository.Replace("/", Separator, StringComparison.Ordinal);

    // Not beside the file: whatever stands in refs/ and snapshots/ is taken for a part of the layout.
    private void WriteWhole(string file, byte[] content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        string fresh = Path.Combine(Folder, $".octavo-{Guid.NewGuid():N}");
        File.WriteAllBytes(fresh, content);
        File.Move(fresh, file, overwrite: true);
    }
}
