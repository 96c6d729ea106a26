using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Octavo.Testing;

/// <summary>A request that a <see cref="FakeHub"/> got.</summary>
/// <param name="IsHub">Whether the hub's own address got it, and not the one that contents come from.</param>
/// <param name="Method">Its method.</param>
/// <param name="Target">Path and query as they were sent; an address where it came through a proxy.</param>
/// <param name="Headers">Its headers, by names in lower case.</param>
public sealed record FakeRequest(
    bool IsHub, string Method, string Target, IReadOnlyDictionary<string, string> Headers)
{
    /// <summary>The first byte that is asked for.</summary>
    public long From => Headers.TryGetValue("range", out string? range)
        ? long.Parse(range["bytes=".Length..^1], NumberStyles.None, CultureInfo.InvariantCulture)
        : 0;

    /// <summary>The token that came with it; null where none did.</summary>
    public string? Token => Headers.GetValueOrDefault("authorization");
}

/// <summary>What a <see cref="FakeHub"/> answers.</summary>
/// <param name="Status">The status.</param>
/// <param name="Body">The bytes.</param>
/// <param name="Headers">Headers beside the length.</param>
public sealed record FakeAnswer(int Status, byte[] Body, params (string Name, string Value)[] Headers)
{
    /// <summary>After how many bytes the connection breaks; null where it does not.</summary>
    public int? CutAt { get; init; }

    /// <summary>Whether it breaks by a reset, and not by an orderly end.</summary>
    public bool Resets { get; init; }

    /// <summary>Whether the length is said.</summary>
    public bool SaysLength { get; init; } = true;

    /// <summary>
    /// Called before each slice of the body, and behind the last, with the bytes sent so far; what follows waits for
    /// it.
    /// </summary>
    public Func<long, Task>? BeforeSlice { get; init; }

    /// <summary>An answer of a text.</summary>
    public static FakeAnswer Of(int status, string text = "", params (string Name, string Value)[] headers) =>
        new(status, Encoding.UTF8.GetBytes(text), headers);
}

/// <summary>A file of a <see cref="FakeHub"/>'s repository.</summary>
/// <param name="Path">Its path.</param>
/// <param name="Content">Its bytes.</param>
/// <param name="IsLarge">Whether it lies in large file storage.</param>
public sealed record FakeFile(string Path, byte[] Content, bool IsLarge = false)
{
    /// <summary>The hash that names its content.</summary>
    public string ETag => IsLarge ? Convert.ToHexStringLower(SHA256.HashData(Content)) : BlobId;

    /// <summary>Git's hash of what Git keeps of it.</summary>
    public string BlobId
    {
        get
        {
            byte[] kept = IsLarge
                ? Encoding.ASCII.GetBytes(
                    $"version https://git-lfs.github.com/spec/v1\noid sha256:{ETag}\nsize {Content.Length}\n")
                : Content;
            return Convert.ToHexStringLower(
                SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {kept.Length}\0"), .. kept]));
        }
    }

    /// <summary>A file of a text.</summary>
    public static FakeFile Of(string path, string text) => new(path, Encoding.UTF8.GetBytes(text));

    /// <summary>The files of a directory; safetensors are large ones.</summary>
    public static FakeFile[] Of(string directory) =>
    [
        .. Directory.GetFiles(directory).Select(file => new FakeFile(
            System.IO.Path.GetFileName(file), File.ReadAllBytes(file), file.EndsWith(".safetensors"))),
    ];

    /// <summary>A large file with the bytes of one here.</summary>
    public static FakeFile LargeOf(string path, string file) => new(path, File.ReadAllBytes(file), IsLarge: true);

    /// <summary>A large file of random bytes.</summary>
    public static FakeFile Large(string path, int size, int seed = 1)
    {
        byte[] content = new byte[size];
        new Random(seed).NextBytes(content);
        return new FakeFile(path, content, IsLarge: true);
    }
}

/// <summary>
/// A server that behaves as the Hugging Face hub does: the list of a revision's files, small files from its own
/// address behind a redirect, large ones from another one, ranges, hashes in headers, gated and missing models. Faults
/// are put in by <see cref="Fault"/>.
/// </summary>
public sealed class FakeHub : IDisposable
{
    private readonly TcpListener _hub = Listen();
    private readonly TcpListener _contents = Listen();
    private readonly ConcurrentDictionary<(string Name, string Revision), FakeFile[]> _revisions = [];
    private readonly ConcurrentDictionary<string, byte[]> _large = [];
    private readonly ConcurrentQueue<FakeRequest> _requests = [];
    private readonly CancellationTokenSource _stop = new();
    private long _bytes;

    /// <summary>Starts it.</summary>
    public FakeHub()
    {
        Endpoint = AddressOf(_hub);
        _ = AcceptAsync(_hub, isHub: true);
        _ = AcceptAsync(_contents, isHub: false);
    }

    /// <summary>Its address.</summary>
    public string Endpoint { get; }

    /// <summary>What may answer in place of it; null lets it answer.</summary>
    public Func<FakeRequest, FakeAnswer?> Fault { get; set; } = _ => null;

    /// <summary>What is done to an answer of its own.</summary>
    public Func<FakeRequest, FakeAnswer, FakeAnswer> Change { get; set; } = (_, answer) => answer;

    /// <summary>The token that gated models ask for; null where none is.</summary>
    public string? GatedBy { get; set; }

    /// <summary>Whether the list of files says their sizes and hashes.</summary>
    public bool ListsHashes { get; set; } = true;

    /// <summary>What it was asked, in order.</summary>
    public IReadOnlyList<FakeRequest> Requests => [.. _requests];

    /// <summary>Bytes of contents that it has sent.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Puts up a repository, or a new commit of it; returns the commit.</summary>
    public string Add(string name, params FakeFile[] files) => Add(name, "main", files);

    /// <summary>Puts up a revision of a repository; returns the commit.</summary>
    public string Add(string name, string revision, FakeFile[] files)
    {
        string commit = Convert.ToHexStringLower(
            SHA1.HashData(Encoding.UTF8.GetBytes(name + string.Concat(files.Select(f => f.Path + f.ETag)))));
        _revisions[(name, revision)] = _revisions[(name, commit)] = files;
        foreach (FakeFile file in files.Where(file => file.IsLarge))
        {
            _large[file.ETag] = file.Content;
        }

        return commit;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _hub.Dispose();
        _contents.Dispose();
    }

    private static TcpListener Listen()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return listener;
    }

    private static string AddressOf(TcpListener listener) => $"http://{listener.LocalEndpoint}";

    private async Task AcceptAsync(TcpListener listener, bool isHub)
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await listener.AcceptTcpClientAsync(_stop.Token), isHub);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // It is stopped.
        }
    }

    // One request a connection.
    private async Task ServeAsync(TcpClient client, bool isHub)
    {
        using (client)
        {
            try
            {
                NetworkStream stream = client.GetStream();
                FakeRequest request = await ReadAsync(stream, isHub);
                _requests.Enqueue(request);
                FakeAnswer answer = Fault(request) ?? Change(request, Answer(request));
                await WriteAsync(client, stream, request, answer);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // The client went away.
            }
        }
    }

    private static async Task<FakeRequest> ReadAsync(NetworkStream stream, bool isHub)
    {
        List<byte> head = [];
        var one = new byte[1];
        while (!(head.Count > 3 && head[^1] == '\n' && head[^3] == '\n'))
        {
            await stream.ReadExactlyAsync(one);
            head.Add(one[0]);
        }

        string[] lines = Encoding.Latin1.GetString([.. head]).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        string[] words = lines[0].Split(' ');
        return new FakeRequest(isHub, words[0], words[1], lines.Skip(1).Select(line => line.Split(": ", 2))
            .ToDictionary(pair => pair[0].ToLowerInvariant(), pair => pair[1]));
    }

    private async Task WriteAsync(TcpClient client, NetworkStream stream, FakeRequest request, FakeAnswer answer)
    {
        var head = new StringBuilder(
            $"HTTP/1.1 {answer.Status} {(HttpStatusCode)answer.Status}\r\nConnection: close\r\n");
        foreach ((string name, string value) in answer.Headers)
        {
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        }

        if (answer.SaysLength)
        {
            head.Append(CultureInfo.InvariantCulture, $"Content-Length: {answer.Body.Length}\r\n");
        }

        await stream.WriteAsync(Encoding.Latin1.GetBytes(head.Append("\r\n").ToString()), _stop.Token);
        if (request.Method == "HEAD")
        {
            return;
        }

        const int slice = 64 << 10;
        int end = answer.CutAt ?? answer.Body.Length;
        for (int sent = 0; sent < end; sent += slice)
        {
            if (answer.BeforeSlice is not null)
            {
                await answer.BeforeSlice(sent);
            }

            int length = Math.Min(slice, end - sent);
            await stream.WriteAsync(answer.Body.AsMemory(sent, length), _stop.Token);
            Interlocked.Add(ref _bytes, request.Target.Contains("/api/models/") ? 0 : length);
        }

        if (answer.BeforeSlice is not null)
        {
            await answer.BeforeSlice(end);
        }

        if (answer.Resets)
        {
            client.LingerState = new LingerOption(enable: true, seconds: 0);
        }
        else
        {
            client.Client.Shutdown(SocketShutdown.Send);
            // Until the client has all of it, and closes.
            _ = await stream.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false, _stop.Token);
        }
    }

    private FakeAnswer Answer(FakeRequest request)
    {
        string path = Uri.UnescapeDataString(request.Target.Split('?')[0]);
        if (Uri.TryCreate(path, UriKind.Absolute, out Uri? address) && address.Scheme == "http")
        {
            path = address.AbsolutePath;      // as a proxy is asked
        }

        string[] steps = path.TrimStart('/').Split('/');
        if (!request.IsHub)
        {
            // Who keeps the contents refuses a second proof beside the signature in the address.
            return request.Token is not null || !request.Target.Contains("Signature=")
                ? FakeAnswer.Of(400)
                : _large.TryGetValue(steps[1], out byte[]? large)
                    ? Part(request, large, ("ETag", "\"of-the-store\""))
                    : FakeAnswer.Of(404);
        }

        return steps switch
        {
            ["api", "models", var org, var name, "revision", .. var revision] =>
                List($"{org}/{name}", string.Join('/', revision), request),
            ["api", "resolve-cache", "models", var org, var name, var commit, .. var file] =>
                Resolve($"{org}/{name}", commit, string.Join('/', file), request, isSecondStep: true),
            [var org, var name, "resolve", var commit, .. var file] =>
                Resolve($"{org}/{name}", commit, string.Join('/', file), request, isSecondStep: false),
            _ => FakeAnswer.Of(404),
        };
    }

    private FakeAnswer? Missing(string name, string revision, FakeRequest request) =>
        _revisions.ContainsKey((name, revision)) ? null
            : _revisions.Keys.Any(key => key.Name == name)
                ? FakeAnswer.Of(404, "", ("X-Error-Code", "RevisionNotFound"), ("X-Error-Message", "Invalid rev id"))
            : request.Token is null
                ? FakeAnswer.Of(401, "", ("X-Error-Message", "Invalid username or password."))
            : FakeAnswer.Of(404, "", ("X-Error-Code", "RepoNotFound"), ("X-Error-Message", "Repository not found"));

    private FakeAnswer List(string name, string revision, FakeRequest request) =>
        Missing(name, revision, request) ?? FakeAnswer.Of(200, JsonSerializer.Serialize(new
        {
            id = name,
            sha = _revisions.First(r => r.Key.Name == name && r.Key.Revision.Length == 40
                && r.Value == _revisions[(name, revision)]).Key.Revision,
            siblings = _revisions[(name, revision)].Select(file => ListsHashes
                ? (object)new
                {
                    rfilename = file.Path,
                    size = file.Content.Length,
                    blobId = file.BlobId,
                    lfs = file.IsLarge
                        ? new { sha256 = file.ETag, size = file.Content.Length, pointerSize = 130 }
                        : null,
                }
                : new { rfilename = file.Path }),
        }));

    private FakeAnswer Resolve(string name, string commit, string path, FakeRequest request, bool isSecondStep)
    {
        if (Missing(name, commit, request) is { } missing)
        {
            return missing;
        }

        (string, string) ofCommit = ("X-Repo-Commit", commit);
        if (Array.Find(_revisions[(name, commit)], file => file.Path == path) is not { } found)
        {
            return FakeAnswer.Of(404, "", ("X-Error-Code", "EntryNotFound"), ofCommit);
        }

        if (GatedBy is not null && request.Token != "Bearer " + GatedBy)
        {
            return FakeAnswer.Of(request.Token is null ? 401 : 403, "", ("X-Error-Code", "GatedRepo"));
        }

        (string, string) etag = ("ETag", $"\"{found.ETag}\"");
        return (found.IsLarge, isSecondStep) switch
        {
            (true, _) => FakeAnswer.Of(
                302, "", ("Location", $"{AddressOf(_contents)}/blob/{found.ETag}?Signature=x"),
                ("X-Linked-Etag", $"\"{found.ETag}\""),
                ("X-Linked-Size", found.Content.Length.ToString(CultureInfo.InvariantCulture)), ofCommit),
            (_, false) => FakeAnswer.Of(
                307, "", ("Location", $"/api/resolve-cache/models/{name}/{commit}/{Uri.EscapeDataString(path)}"),
                ("X-Linked-Size", found.Content.Length.ToString(CultureInfo.InvariantCulture)), etag, ofCommit),
            _ => Part(request, found.Content, etag, ofCommit),
        };
    }

    private static FakeAnswer Part(FakeRequest request, byte[] content, params (string, string)[] headers)
    {
        long from = request.From;
        return from == 0 ? new FakeAnswer(200, content, headers)
            : from >= content.Length ? FakeAnswer.Of(416, "", ("Content-Range", $"bytes */{content.Length}"))
            : new FakeAnswer(
                206, content[(int)from..],
                [.. headers, ("Content-Range", $"bytes {from}-{content.Length - 1}/{content.Length}")]);
    }
}
