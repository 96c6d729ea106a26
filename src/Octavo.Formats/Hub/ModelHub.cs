namespace Octavo.Formats.Hub;

/// <summary>
/// Models by their names on the hub. One that is in the cache, whole, is taken from there and nobody is asked; of
/// others, and where the newest is wanted, the files that loading reads are fetched.
/// </summary>
internal sealed class ModelHub(HubSettings settings)
{
    private const int MaxParallelFiles = 8;

    /// <summary>When to try again.</summary>
    internal HubRetry Retry { get; init; } = HubRetry.Standard;

    /// <summary>How long the hub may be silent.</summary>
    internal TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Where a repository lies in the cache; tests put in one without links.</summary>
    internal Func<string, CachedRepository> Repository { get; init; } =
        name => new CachedRepository(settings.CacheDirectory, name);

    /// <summary>Opens the file that a content goes to; tests put in one that is full.</summary>
    internal Func<string, Stream?> OpenBlob { get; init; } = BlobDownload.OpenAlone;

    /// <summary>The local path of a model: a directory, or its GGUF file (the first, where it has several parts).
    /// </summary>
    /// <param name="name">The model.</param>
    /// <param name="parts">What is wanted of it.</param>
    /// <param name="progress">Hears how far the download is, where there is one.</param>
    /// <param name="cancellationToken">Stops it; what has come is kept.</param>
    /// <exception cref="HubException">It cannot be had.</exception>
    /// <exception cref="CheckpointException">Its index of shards is malformed.</exception>
    public async Task<string> FindAsync(
        HubName name, ModelParts parts, IProgress<DownloadProgress>? progress, CancellationToken cancellationToken)
    {
        CachedRepository repository = Repository(name.Repository);
        string? commit = repository.CommitOf(name.RevisionOrDefault);
        if (settings.Offline)
        {
            return FindOffline(name, repository, commit, parts);
        }

        try
        {
            if (commit is not null && repository.ListingOf(commit) is { } known
                && FindHere(name, repository, known, parts, out _) is { } path)
            {
                return path;
            }
        }
        catch (HubException e) when (e.Failure == HubFailure.NoModel)
        {
            // The hub may have by now what it did not have then, and says so better if it has not.
        }

        return await FetchAsync(name, parts, progress, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Asks the hub for what a model is now, and fetches what is not here.</summary>
    /// <inheritdoc cref="FindAsync" path="/param|/exception|/returns"/>
    public async Task<string> FetchAsync(
        HubName name, ModelParts parts, IProgress<DownloadProgress>? progress, CancellationToken cancellationToken)
    {
        if (settings.Offline)
        {
            throw new HubException(
                HubFailure.Offline, name.ToString(), "it is not fetched: HF_HUB_OFFLINE forbids that");
        }

        CachedRepository repository = Repository(name.Repository);
        var meter = new DownloadMeter(name.ToString(), progress);
        using var client = new HubClient(settings) { Patience = Patience };
        HubListing listing = await Retry.RunAsync(
            () => client.ListAsync(name, cancellationToken), () => 0, meter.Say, cancellationToken)
            .ConfigureAwait(false);
        var download = new BlobDownload(client, Retry, repository, name) { Open = OpenBlob };
        IReadOnlyList<HubFile> files = NeededFiles.BeforeWeights(name, listing, parts);
        await FetchAllAsync(files).ConfigureAwait(false);
        if (parts == ModelParts.All)
        {
            files = NeededFiles.Weights(name, listing, file => repository.PathOf(listing.Commit, file));
            await FetchAllAsync(files).ConfigureAwait(false);
        }

        // Last: until all of it is here, the name means what it meant before.
        Store(name, () =>
        {
            repository.Keep(listing);
            repository.SetCommit(name.RevisionOrDefault, listing.Commit);
        });
        return PathOf(name, repository, listing, files);

        async Task FetchAllAsync(IReadOnlyList<HubFile> wanted)
        {
            HubFile[] described = await Task.WhenAll(wanted.Select(DescribeAsync)).ConfigureAwait(false);
            meter.Expect(described);
            HubException? first = null;
            var options = new ParallelOptions
            {
                MaxDegreeOfParallelism = MaxParallelFiles,
                CancellationToken = cancellationToken,
            };
            try
            {
                await Parallel.ForEachAsync(described, options, async (file, stop) =>
                {
                    try
                    {
                        await download.RunAsync(listing.Commit, file, meter, stop).ConfigureAwait(false);
                    }
                    catch (HubException e)
                    {
                        Interlocked.CompareExchange(ref first, e, null);
                        throw;
                    }
                }).ConfigureAwait(false);
            }
            catch (Exception) when (first is not null)
            {
                throw first;      // and not what stopping the others threw
            }
        }

        Task<HubFile> DescribeAsync(HubFile file) => file is { Size: not null, ETag: not null }
            ? Task.FromResult(file)
            : Retry.RunAsync(
                () => client.DescribeAsync(name, listing.Commit, file, cancellationToken), () => 0, meter.Say,
                cancellationToken);
    }

    // Without asking: what somebody put there must do, and what is known to be missing is named.
    private static string FindOffline(HubName name, CachedRepository repository, string? commit, ModelParts parts)
    {
        if (commit is null)
        {
            throw No($"there is no such directory, it is not in {repository.Folder}");
        }

        HubListing? known = repository.ListingOf(commit);
        HubListing listing = known ?? new HubListing(commit, repository.FilesHere(commit));
        return FindHere(name, repository, listing, parts, out HubFile? missing)
            ?? throw No($"not all of it is in {repository.Snapshot(commit)}: {missing?.Path} is missing");

        HubException No(string problem) => new(
            HubFailure.Offline, name.ToString(), $"{problem}, and HF_HUB_OFFLINE forbids to fetch it");
    }

    /// <summary>Where a model is, if all that is wanted of it is here; else what is missing first.</summary>
    internal static string? FindHere(
        HubName name, CachedRepository repository, HubListing listing, ModelParts parts, out HubFile? missing)
    {
        IReadOnlyList<HubFile> files = NeededFiles.BeforeWeights(name, listing, parts);
        missing = Missing(files);
        if (missing is null && parts == ModelParts.All)
        {
            files = NeededFiles.Weights(name, listing, file => repository.PathOf(listing.Commit, file));
            missing = Missing(files);
        }

        return missing is null ? PathOf(name, repository, listing, files) : null;

        HubFile? Missing(IReadOnlyList<HubFile> wanted) =>
            wanted.FirstOrDefault(file => !repository.Has(listing.Commit, file));
    }

    private static string PathOf(
        HubName name, CachedRepository repository, HubListing listing, IReadOnlyList<HubFile> files) =>
        NeededFiles.TakesGguf(name, listing)
            ? repository.PathOf(listing.Commit, files[0])
            : repository.Snapshot(listing.Commit);

    private static void Store(HubName name, Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new HubException(HubFailure.Storage, name.ToString(), $"it cannot be stored: {e.Message}", e);
        }
    }
}
