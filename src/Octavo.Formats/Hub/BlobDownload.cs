using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Octavo.Formats.Hub;

/// <summary>
/// Fetches one file's content into the cache. Its bytes go into <c>blobs/ETAG.incomplete</c>, from whose end a later
/// download goes on, whoever began it; the file gets its name once its size and its hash are what the hub says.
/// </summary>
/// <remarks>A content's name is its hash, so that a file that has changed on the hub is another content.</remarks>
internal sealed class BlobDownload(HubClient client, HubRetry retry, CachedRepository repository, HubName name)
{
    private const int BufferSize = 1 << 20;
    private const int MostDamaged = 2;

    /// <summary>Opens the file that bytes go to; null where another process has it.</summary>
    public required Func<string, Stream?> Open { get; init; }

    /// <summary>The standard way to open it.</summary>
    public static Stream? OpenAlone(string path) =>
        CachedRepository.TryOpenAlone(path, out FileStream? file) ? file : null;

    /// <summary>Puts a file into a commit's snapshot, and fetches it first where that must be.</summary>
    /// <param name="commit">The commit.</param>
    /// <param name="file">Its file, whose hash and size are known.</param>
    /// <param name="meter">Counts bytes.</param>
    /// <param name="cancellationToken">Stops it; what has come is kept.</param>
    /// <exception cref="HubException">It cannot be fetched or stored.</exception>
    public async Task RunAsync(string commit, HubFile file, DownloadMeter meter, CancellationToken cancellationToken)
    {
        string title = $"{name.Repository}/{file.Path}";
        using IDisposable held = await OnDiskAsync(title, () => repository.LockAsync(
            file.ETag!, () => meter.Say($"another process fetches {file.Path}"), cancellationToken))
            .ConfigureAwait(false);
        meter.Say(null);
        bool isNew = false;
        if (repository.Has(commit, file))
        {
            meter.Add(file.Size!.Value, fetched: false);
            return;
        }

        if (repository.HasBlob(file))
        {
            meter.Add(file.Size!.Value, fetched: false);
        }
        else
        {
            await FetchAsync(title, commit, file, meter, cancellationToken).ConfigureAwait(false);
            isNew = true;
        }

        OnDisk(title, () => repository.Link(commit, file, isNew));
    }

    private async Task FetchAsync(
        string title, string commit, HubFile file, DownloadMeter meter, CancellationToken cancellationToken)
    {
        string path = repository.Incomplete(file.ETag!);
        OnDisk(title, () => Directory.CreateDirectory(repository.Blobs));
        Stream stream = OnDisk(title, () => Open(path)) ?? throw new HubException(
            HubFailure.Storage, title, $"another process writes {path}");
        await using (stream.ConfigureAwait(false))
        {
            for (int damaged = 1; ; damaged++)
            {
                try
                {
                    await FillAsync(title, stream, commit, file, meter, cancellationToken).ConfigureAwait(false);
                    break;
                }
                catch (HubException e) when (e.Failure == HubFailure.Damaged)
                {
                    // What an earlier download left may have been wrong; what comes from the beginning is not resumed.
                    OnDisk(title, () => Restart(stream, meter));
                    if (damaged == MostDamaged)
                    {
                        throw;
                    }
                }
            }

            // Before it gets its name: a machine that loses power then keeps no name of bytes that it does not have.
            OnDisk(title, () => (stream as FileStream)?.Flush(flushToDisk: true));
        }

        OnDisk(title, () => File.Move(path, repository.Blob(file.ETag!), overwrite: true));
    }

    private async Task FillAsync(
        string title, Stream stream, string commit, HubFile file, DownloadMeter meter,
        CancellationToken cancellationToken)
    {
        long size = file.Size!.Value;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        using IncrementalHash hash = NewHash(file);
        try
        {
            await ReadBackAsync().ConfigureAwait(false);
            while (stream.Position < size)
            {
                await retry.RunAsync(CopyAsync, () => stream.Position, meter.Say, cancellationToken)
                    .ConfigureAwait(false);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        string found = Convert.ToHexStringLower(hash.GetHashAndReset());
        if (found != file.ETag)
        {
            throw new HubException(
                HubFailure.Damaged, title,
                $"what came has the {(file.Sha256 is null ? "Git hash" : "SHA-256")} {found}, twice; the hub says "
                    + $"{file.ETag}. It is not kept");
        }

        // What is here already counts, and goes into the hash.
        async Task ReadBackAsync()
        {
            OnDisk(title, () =>
            {
                if (stream.Length > size)
                {
                    stream.SetLength(0);
                }

                stream.Position = 0;
            });
            int read;
            while ((read = await OnDiskAsync(title, () => stream.ReadAsync(buffer, cancellationToken).AsTask())
                .ConfigureAwait(false)) > 0)
            {
                hash.AppendData(buffer, 0, read);
                meter.Add(read, fetched: false);
            }
        }

        async Task<bool> CopyAsync()
        {
            (HttpResponseMessage answer, long from) = await client.OpenAsync(
                name, commit, file, stream.Position, cancellationToken).ConfigureAwait(false);
            using (answer)
            {
                if (from != stream.Position)
                {
                    OnDisk(title, () => Restart(stream, meter));
                    hash.GetHashAndReset();
                    Begin(hash, file);
                }

                Stream body = await answer.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
                while (true)
                {
                    int read = await client.ReadAsync(body, buffer, name, cancellationToken).ConfigureAwait(false);
                    if (read == 0)
                    {
                        break;
                    }

                    if (read > size - stream.Position)
                    {
                        throw new HubException(
                            HubFailure.Damaged, title, $"more came than the {size} bytes that the hub says it has");
                    }

                    await OnDiskAsync(title, () => WriteAsync(stream, buffer.AsMemory(0, read), cancellationToken))
                        .ConfigureAwait(false);
                    hash.AppendData(buffer, 0, read);
                    meter.Add(read, fetched: true);
                }

                return stream.Position == size ? true : throw new HubException(
                    HubFailure.Unavailable, title, $"the connection ended at byte {stream.Position} of {size}")
                {
                    IsTransient = true,
                };
            }
        }
    }

    private static async Task<bool> WriteAsync(
        Stream stream, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private static void Restart(Stream stream, DownloadMeter meter)
    {
        meter.Add(-stream.Position, fetched: false);
        stream.SetLength(0);
        stream.Position = 0;
    }

    private static IncrementalHash NewHash(HubFile file)
    {
#pragma warning disable CA5350 // Git's hash, which says whether a file came whole, not whom to trust.
        IncrementalHash hash = IncrementalHash.CreateHash(
            file.ETag!.Length == 64 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
#pragma warning restore CA5350
        Begin(hash, file);
        return hash;
    }

    // Git hashes a header before a file's bytes.
    private static void Begin(IncrementalHash hash, HubFile file)
    {
        if (file.Sha256 is null)
        {
            hash.AppendData(Encoding.ASCII.GetBytes(
                string.Create(CultureInfo.InvariantCulture, $"blob {file.Size}\0")));
        }
    }

    private static void OnDisk(string title, Action use) => OnDisk(title, () =>
    {
        use();
        return true;
    });

    private static T OnDisk<T>(string title, Func<T> use)
    {
        try
        {
            return use();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotStore(title, e);
        }
    }

    private static async Task<T> OnDiskAsync<T>(string title, Func<Task<T>> use)
    {
        try
        {
            return await use().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotStore(title, e);
        }
    }

    private static HubException CannotStore(string title, Exception e) => new(
        HubFailure.Storage, title,
        $"it cannot be stored: {e.Message.TrimEnd('.')}; what has come is kept, and the same command goes on from "
            + "there",
        e);
}
