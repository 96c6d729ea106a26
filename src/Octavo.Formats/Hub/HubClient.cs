using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Octavo.Formats.Hub;

/// <summary>
/// Asks the hub, over HTTP. The token goes to the hub's own address and nowhere else: contents most often come from
/// another host, to which the hub redirects.
/// </summary>
internal sealed class HubClient : IDisposable
{
    private const int MaxRedirects = 10;
    private const int MaxListingBytes = 64 << 20;

    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(10);
    private static readonly string Agent =
        "octavo/" + typeof(HubClient).Assembly.GetName().Version?.ToString(fieldCount: 3);

    private readonly HubSettings _settings;
    private readonly HttpClient _http;
    private readonly Uri _endpoint;
    private volatile bool _answered;

    /// <summary>Makes a client; proxies are those of the environment.</summary>
    public HubClient(HubSettings settings)
    {
        (_settings, _endpoint) = (settings, new Uri(settings.Endpoint));
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = ConnectPatience,
            UseCookies = false,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,      // of a whole answer; each part of it has its own
        };
    }

    /// <summary>How long the hub may be silent.</summary>
    internal TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>What a repository holds at a revision.</summary>
    /// <exception cref="HubException">There is none, it may not be read, or the hub does not answer.</exception>
    public async Task<HubListing> ListAsync(HubName name, CancellationToken cancellationToken)
    {
        string revision = Uri.EscapeDataString(name.RevisionOrDefault);
        var address = new Uri($"{_settings.Endpoint}/api/models/{name.Repository}/revision/{revision}?blobs=true");
        using HttpResponseMessage answer =
            await SendAsync(HttpMethod.Get, address, name, from: 0, cancellationToken).ConfigureAwait(false);
        var body = new ArrayBufferWriter<byte>();
        Stream stream = await answer.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        byte[] buffer = new byte[64 << 10];
        int read;
        while ((read = await ReadAsync(stream, buffer, name, cancellationToken).ConfigureAwait(false)) > 0)
        {
            body.Write(buffer.AsSpan(0, read));
            if (body.WrittenCount > MaxListingBytes)
            {
                throw Unusable($"is longer than {MaxListingBytes} bytes", null);
            }
        }

        try
        {
            return HubListing.FromAnswer(body.WrittenMemory);
        }
        catch (FormatException e)
        {
            throw Unusable($"is no list of a model's files: {e.Message}", e);
        }

        HubException Unusable(string problem, Exception? inner) =>
            new(HubFailure.Unavailable, name.ToString(), $"what {address} answers {problem}", inner);
    }

    /// <summary>A file with its hash and size, where the list of files did not say them.</summary>
    /// <exception cref="HubException">The hub does not say them either.</exception>
    public async Task<HubFile> DescribeAsync(
        HubName name, string commit, HubFile file, CancellationToken cancellationToken)
    {
        using HttpResponseMessage answer = await SendAsync(
            HttpMethod.Head, AddressOf(name, commit, file), name, from: 0, cancellationToken, followElsewhere: false)
            .ConfigureAwait(false);
        string? linked = Header(answer, "X-Linked-Etag");
        string etag = (linked ?? answer.Headers.ETag?.Tag ?? string.Empty).Trim('"');
        string? size = Header(answer, "X-Linked-Size");
        long? length = size is null ? answer.Content.Headers.ContentLength
            : long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) ? bytes
            : null;
        bool isLarge = etag.Length == 64;
        return HubListing.IsHash(etag) && length is not null
            ? file with { Size = length, BlobId = isLarge ? file.BlobId : etag, Sha256 = isLarge ? etag : file.Sha256 }
            : throw new HubException(
                HubFailure.Unavailable, $"{name.Repository}/{file.Path}",
                $"{_settings.Endpoint} gives no hash and size of it (ETag, Content-Length), so that it could not be "
                    + "checked");
    }

    /// <summary>Begins to read a file.</summary>
    /// <param name="name">The model.</param>
    /// <param name="commit">The commit.</param>
    /// <param name="file">Its file.</param>
    /// <param name="from">The first byte that is wanted.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The answer, and the first byte that it has: it may have all.</returns>
    /// <exception cref="HubException">It cannot be had.</exception>
    public async Task<(HttpResponseMessage Answer, long From)> OpenAsync(
        HubName name, string commit, HubFile file, long from, CancellationToken cancellationToken)
    {
        HttpResponseMessage answer = await SendAsync(
            HttpMethod.Get, AddressOf(name, commit, file), name, from, cancellationToken).ConfigureAwait(false);
        ContentRangeHeaderValue? range = answer.Content.Headers.ContentRange;
        if (answer.StatusCode != HttpStatusCode.PartialContent)
        {
            return (answer, 0);
        }

        if (range?.From == from && (range.Length is null || range.Length == file.Size))
        {
            return (answer, from);
        }

        answer.Dispose();
        throw new HubException(
            HubFailure.Damaged, $"{name.Repository}/{file.Path}",
            $"the server sent another part ({range}) than bytes {from} to the end of {file.Size}");
    }

    /// <summary>Reads some bytes of an answer; 0 at its end.</summary>
    /// <exception cref="HubException">The connection broke, or is silent for too long.</exception>
    public async Task<int> ReadAsync(
        Stream stream, Memory<byte> buffer, HubName name, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            return await stream.ReadAsync(buffer, patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw Silent(name, e);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw new HubException(HubFailure.Unavailable, name.ToString(), $"the connection broke: {e.Message}", e)
            {
                IsTransient = true,
            };
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private Uri AddressOf(HubName name, string commit, HubFile file) => new(
        $"{_settings.Endpoint}/{name.Repository}/resolve/{commit}/"
        + string.Join('/', file.Path.Split('/').Select(Uri.EscapeDataString)));

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, Uri address, HubName name, long from, CancellationToken cancellationToken,
        bool followElsewhere = true)
    {
        Uri asked = address;
        for (int redirects = 0; redirects <= MaxRedirects; redirects++)
        {
            HttpResponseMessage answer =
                await SendOnceAsync(method, address, name, from, cancellationToken).ConfigureAwait(false);
            Uri? target = (int)answer.StatusCode is >= 300 and < 400 ? answer.Headers.Location : null;
            target = target is null ? null : new Uri(address, target);
            if (answer.IsSuccessStatusCode || (target is not null && !followElsewhere && !IsHub(target)))
            {
                return answer;
            }

            using (answer)
            {
                if (target is null)
                {
                    throw HubError.Of(answer, name, address, IsHub(address), _settings);
                }
            }

            if (target.Scheme is not ("http" or "https") || (address.Scheme == "https" && target.Scheme == "http"))
            {
                throw new HubException(
                    HubFailure.Unavailable, name.ToString(), $"{address} redirects to {target}, which is not followed");
            }

            address = target;
        }

        throw new HubException(
            HubFailure.Unavailable, name.ToString(), $"{asked} redirects more than {MaxRedirects} times");
    }

    private async Task<HttpResponseMessage> SendOnceAsync(
        HttpMethod method, Uri address, HubName name, long from, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, address);
        request.Headers.TryAddWithoutValidation("User-Agent", Agent);
        request.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
        if (from > 0)
        {
            request.Headers.Range = new RangeHeaderValue(from, to: null);
        }

        if (_settings.Token is { } token && IsHub(address))
        {
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            HttpResponseMessage answer = await _http.SendAsync(
                request, HttpCompletionOption.ResponseHeadersRead, patience.Token).ConfigureAwait(false);
            _answered = true;
            return answer;
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw Silent(name, e);
        }
        catch (HttpRequestException e)
        {
            // Where it has never answered, it more likely cannot be reached from here at all.
            throw new HubException(
                HubFailure.Unavailable, name.ToString(),
                (_answered ? string.Empty : "there is no such directory, and ")
                    + $"{address.GetLeftPart(UriPartial.Authority)} cannot be reached: {e.Message}", e)
            {
                IsTransient = _answered,
            };
        }
    }

    private HubException Silent(HubName name, Exception inner) => new(
        HubFailure.Unavailable, name.ToString(),
        _answered ? $"the connection was silent for {Patience.TotalSeconds:0} seconds"
            : $"there is no such directory, and {_settings.Endpoint} does not answer", inner)
    {
        IsTransient = _answered,
    };

    private bool IsHub(Uri address) => Uri.Compare(
        address, _endpoint, UriComponents.SchemeAndServer, UriFormat.SafeUnescaped, StringComparison.OrdinalIgnoreCase)
            == 0;

    private static string? Header(HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.First() : null;
}
