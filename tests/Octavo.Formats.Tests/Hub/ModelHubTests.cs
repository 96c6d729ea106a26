using System.Collections.Concurrent;
using System.Net;
using Octavo.Formats.Hub;
using Octavo.Testing;

namespace Octavo.Formats.Tests.Hub;

/// <summary>Downloads from a server that behaves as the hub does, and misbehaves as networks do.</summary>
public sealed class ModelHubTests : IDisposable
{
    private const string Model = "org/model";
    private static readonly FakeFile Config = FakeFile.Of("config.json", "{\"model_type\": \"llama\"}");
    private static readonly FakeFile Weights = FakeFile.Large("model.safetensors", 300_000);
    private static readonly FakeFile[] Files =
    [
        Config, FakeFile.Of("tokenizer.json", "{}"), FakeFile.Of("generation_config.json", "{}"),
        FakeFile.Of("README.md", "# Model"), Weights, FakeFile.Large("pytorch_model.bin", 1000, seed: 2),
    ];

    private readonly FakeHub _server = new();
    private readonly TempDirectory _directory = new();
    private readonly ConcurrentQueue<TimeSpan> _pauses = [];

    public void Dispose()
    {
        _server.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task Find_AModelThatIsNotHere_FetchesWhatIsNeededInPythonsLayout()
    {
        string commit = _server.Add(Model, Files);

        string path = await FindAsync();

        string folder = _directory["models--org--model"];
        path.ShouldBe(Path.Combine(folder, "snapshots", commit));
        Directory.GetFiles(path).Select(Path.GetFileName).Order().ShouldBe(
            ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"]);
        foreach (FakeFile file in Files.Where(file => File.Exists(Path.Combine(path, file.Path))))
        {
            Bytes(Path.Combine(path, file.Path)).ShouldBe(file.Content);
            new FileInfo(Path.Combine(path, file.Path)).LinkTarget.ShouldBe($"../../blobs/{file.ETag}");
        }

        TextOf(Path.Combine(folder, "refs", "main")).ShouldBe(commit);
        Directory.GetFiles(Path.Combine(folder, "blobs")).Length.ShouldBe(3);      // two files are equal
        Directory.GetFiles(folder, ".octavo*").ShouldBeEmpty();
        Directory.GetDirectories(folder).Select(Path.GetFileName).Order()
            .ShouldBe(["blobs", "refs", "snapshots", "trees"]);
        File.Exists(_directory[$".locks/models--org--model/{Weights.ETag}.lock"]).ShouldBeTrue();
        CachedRepository.NameOf(path).ShouldBe(Model);
        CachedRepository.NameOf(Path.Combine(path, "x.gguf")).ShouldBe(Model);
        CachedRepository.NameOf("/models/snapshots/x").ShouldBeNull();
    }

    [Fact]
    public async Task Find_AModelThatIsHere_AsksNobody()
    {
        _server.Add(Model, Files);
        string path = await FindAsync();
        int asked = _server.Requests.Count;
        (await FindAsync()).ShouldBe(path);
        _server.Add(Model, [.. Files, FakeFile.Of("added_tokens.json", "[]")]);
        (await FindAsync()).ShouldBe(path);
        _server.Requests.Count.ShouldBe(asked);

        // To be asked for what is new there is octavo pull: what has not changed is not fetched again.
        (await Hub().FetchAsync(HubName.Parse(Model), ModelParts.All, null, default)).ShouldNotBe(path);
        _server.Requests.Skip(asked).Select(r => r.Target.Split('/')[^1]).ShouldBe(
            ["main?blobs=true", "added_tokens.json", "added_tokens.json"], ignoreOrder: true);
    }

    [Fact]
    public async Task Find_ByRevision_TakesThatOne()
    {
        string main = _server.Add(Model, Files);
        string other = _server.Add(Model, "refs/pr/1", [Config, FakeFile.Large("model.safetensors", 10, seed: 3)]);
        (await FindAsync(Model + "@refs/pr/1")).ShouldEndWith(other);
        (await FindAsync(Model + "@" + main)).ShouldEndWith(main);
        TextOf(_directory["models--org--model/refs/refs/pr/1"]).ShouldBe(other);
        File.Exists(_directory["models--org--model/refs/main"]).ShouldBeFalse();
        _server.Requests.Count(r => r.Target == "/api/models/org/model/revision/refs%2Fpr%2F1?blobs=true").ShouldBe(1);
    }

    [Fact]
    public async Task Find_AGgufFile_FetchesItAlone()
    {
        FakeFile wanted = FakeFile.Large("Q8_0/m-Q8_0.gguf", 5000);
        string commit = _server.Add(
            Model, Config, wanted, FakeFile.Large("m-Q4_0.gguf", 100, seed: 4), FakeFile.Of("README.md", ""));
        string path = await FindAsync(Model + ":q8_0");
        path.ShouldBe(_directory[$"models--org--model/snapshots/{commit}/Q8_0/m-Q8_0.gguf"]);
        Bytes(path).ShouldBe(wanted.Content);
        new FileInfo(path).LinkTarget.ShouldBe($"../../../blobs/{wanted.ETag}");
        _server.Bytes.ShouldBeLessThan(wanted.Content.Length + 2000);
        (await FailAsync(Model)).Message.ShouldContain("name one, as org/model:Q4_0; it has Q4_0 (0 GB), Q8_0");
    }

    [Fact]
    public async Task Find_WithAToken_TellsItToTheHubAlone()
    {
        _server.Add(Model, Files);
        _server.GatedBy = "hf_secret";
        await FindAsync(token: "hf_secret");
        _server.Requests.Where(r => r.IsHub).ShouldAllBe(r => r.Token == "Bearer hf_secret");
        _server.Requests.Where(r => !r.IsHub).ShouldAllBe(r => r.Token == null);
        _server.Requests.Count(r => !r.IsHub).ShouldBe(1);
        _server.Requests.Count(r => r.Target.StartsWith("/api/resolve-cache")).ShouldBe(2);
    }

    [Fact]
    public async Task Find_AGatedModel_SaysWhatToDo()
    {
        _server.Add(Model, Files);
        _server.GatedBy = "hf_secret";
        HubException none = await FailAsync();
        none.Failure.ShouldBe(HubFailure.Forbidden);
        none.Message.ShouldContain($"accept its terms at {_server.Endpoint}/org/model, and set HF_TOKEN");
        HubException other = await FailAsync(token: "hf_other");
        other.Failure.ShouldBe(HubFailure.Forbidden);
        other.Message.ShouldContain("the account of this token may not read it");
        other.Message.ShouldNotContain("hf_other");
    }

    [Theory]
    [InlineData(
        "org/none", null, HubFailure.NotFound, "there is no such directory, and no such model at http://127.0.0.1")]
    [InlineData("org/none", null, HubFailure.NotFound, "or it is private: then set HF_TOKEN")]
    [InlineData("org/none", "hf_x", HubFailure.NotFound, "or the token may not read it")]
    [InlineData("org/model@v9", null, HubFailure.NotFound, "has no revision 'v9'")]
    public async Task Find_WhatIsNotThere_SaysWhat(string name, string? token, HubFailure failure, string words)
    {
        _server.Add(Model, Files);
        HubException e = await FailAsync(name, token);
        e.Failure.ShouldBe(failure);
        e.Message.ShouldStartWith(name + ": ");
        e.Message.ShouldContain(words);
        Directory.GetFileSystemEntries(_directory.Root).ShouldBeEmpty();
        _pauses.ShouldBeEmpty();
    }

    [Fact]
    public async Task Find_AWrongToken_SaysSo()
    {
        _server.Fault = _ => FakeAnswer.Of(401, "", ("X-Error-Message", "Invalid credentials"));
        HubException e = await FailAsync(token: "hf_x");
        e.Failure.ShouldBe(HubFailure.Forbidden);
        e.Message.ShouldContain("does not take the token (Invalid credentials)");
    }

    [Fact]
    public async Task Find_TooManyRequests_WaitsAsLongAsIsAsked()
    {
        _server.Add(Model, Files);
        int left = 2;
        _server.Fault = r => r.IsHub && r.Target.Contains("/api/models") && left-- > 0
            ? FakeAnswer.Of(429, "", ("Retry-After", left == 1 ? "17" : "0"))
            : null;
        var progress = new Recorder();
        await FindAsync(progress: progress);
        _pauses.ShouldBe([TimeSpan.FromSeconds(17), TimeSpan.Zero]);
        progress.Seen.ShouldContain(p => p.Trouble != null && p.Trouble.Contains("again in 17 s: org/model: "));
    }

    [Fact]
    public async Task Find_AskedToWaitForHours_GivesUp()
    {
        _server.Fault = _ => FakeAnswer.Of(429, "", ("Retry-After", "7200"));
        (await FailAsync()).Message.ShouldContain("asks to come back in 2:00:00");
        _pauses.ShouldBeEmpty();
    }

    [Fact]
    public async Task Find_AServerThatFails_IsAskedAgainAFewTimes()
    {
        _server.Add(Model, Files);
        int left = 4;
        _server.Fault = r => !r.IsHub && left-- > 0 ? FakeAnswer.Of(left % 2 == 0 ? 503 : 500) : null;
        await FindAsync();
        _pauses.ShouldBe(new[] { 1, 2, 4, 8 }.Select(s => TimeSpan.FromSeconds(s)));

        _server.Fault = _ => FakeAnswer.Of(502);
        HubException e = await FailAsync("org/other");
        e.Failure.ShouldBe(HubFailure.Unavailable);
        e.Message.ShouldContain("answers 502 (BadGateway)");
        _pauses.Count.ShouldBe(8);
    }

    [Fact]
    public async Task Find_AnExpiredAddress_IsAskedForAnew()
    {
        _server.Add(Model, Files);
        int left = 1;
        _server.Fault = r => !r.IsHub && left-- > 0 ? FakeAnswer.Of(403) : null;
        await FindAsync();
        _server.Requests.Count(r => r.Target.EndsWith("/resolve/" + Commit() + "/model.safetensors")).ShouldBe(2);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public async Task Find_ConnectionsThatBreak_GoOnWhereTheyBroke(bool saysLength, bool resets)
    {
        _server.Add(Model, Files);
        int breaks = 0;
        _server.Change = (r, answer) => !r.IsHub && r.From < 200_000
            ? answer with { CutAt = 40_000 + breaks++, SaysLength = saysLength, Resets = resets }
            : answer;
        await FindAsync();

        long[] from = [.. _server.Requests.Where(r => !r.IsHub).Select(r => r.From)];
        from[0].ShouldBe(0);
        if (!resets)
        {
            // A reset may take with it what has been sent.
            from.ShouldBe([0, 40_000, 80_001, 120_003, 160_006, 200_010]);
            _pauses.ShouldAllBe(pause => pause == TimeSpan.FromSeconds(1));      // each got further
        }
    }

    [Fact]
    public async Task Find_AConnectionThatBreaksAtOnceEveryTime_GivesUp()
    {
        _server.Add(Model, Files);
        _server.Change = (r, answer) => r.IsHub ? answer : answer with { CutAt = r.From == 0 ? 1000 : 0 };
        HubException e = await FailAsync();
        e.Failure.ShouldBe(HubFailure.Unavailable);
        e.Message.ShouldContain("the connection broke");
        new FileInfo(_directory[$"models--org--model/blobs/{Weights.ETag}.incomplete"]).Length.ShouldBe(1000);

        _server.Change = (_, answer) => answer;
        await FindAsync();
        _server.Requests.Last(r => !r.IsHub).From.ShouldBe(1000);
    }

    [Fact]
    public async Task Find_ASilentServer_IsLeft()
    {
        _server.Add(Model, Files);
        var never = new TaskCompletionSource();
        int silent = 0;
        _server.Change = (r, answer) => !r.IsHub && r.From == 0 && silent++ == 0
            ? answer with { BeforeSlice = sent => sent < 100_000 ? Task.CompletedTask : never.Task }
            : answer;
        await Hub(patience: TimeSpan.FromSeconds(1)).FindAsync(
            HubName.Parse(Model), ModelParts.All, null, default);
        _server.Requests.Last(r => !r.IsHub).From.ShouldBe(131_072);
        never.SetResult();
    }

    [Fact]
    public async Task Find_NothingAtTheAddress_SaysSoAtOnce()
    {
        string endpoint = _server.Endpoint;
        _server.Dispose();      // nobody listens there any more
        HubException e = await FailAsync();
        e.Failure.ShouldBe(HubFailure.Unavailable);
        e.Message.ShouldContain(endpoint + " cannot be reached");
        _pauses.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(0, false)]            // nothing is left of earlier downloads
    [InlineData(1000, false)]         // the beginning is
    [InlineData(1000, true)]          // something else is
    [InlineData(300_000, true)]       // something else of the same length is
    [InlineData(300_001, true)]       // more than all is
    [InlineData(300_000, false)]      // all is
    public async Task Find_AfterAnEarlierDownload_GoesOnOrStartsAnew(int left, bool isOther)
    {
        _server.Add(Model, Files);
        Directory.CreateDirectory(_directory["models--org--model/blobs"]);
        string incomplete = _directory[$"models--org--model/blobs/{Weights.ETag}.incomplete"];
        Write(incomplete, isOther ? new byte[left] : Weights.Content[..left]);
        var progress = new Recorder();

        string path = await FindAsync(progress: progress);

        Bytes(Path.Combine(path, "model.safetensors")).ShouldBe(Weights.Content);
        File.Exists(incomplete).ShouldBeFalse();
        long[] from = [.. _server.Requests.Where(r => !r.IsHub).Select(r => r.From)];
        from.ShouldBe((left, isOther) switch
        {
            (1000, false) => [1000],
            (1000, true) => [1000, 0],
            (300_000, false) => [],
            _ => [0L],
        });
        progress.Seen[^1].Done.ShouldBe(progress.Seen[^1].Total);
    }

    [Fact]
    public async Task Find_AServerThatKnowsNoRanges_StartsAnew()
    {
        _server.Add(Model, Files);
        Directory.CreateDirectory(_directory["models--org--model/blobs"]);
        Write(
            _directory[$"models--org--model/blobs/{Weights.ETag}.incomplete"], Weights.Content[..1000]);
        _server.Change = (r, answer) => r.IsHub ? answer : new FakeAnswer(200, Weights.Content);
        await FindAsync();
        Bytes(_directory["models--org--model/blobs/" + Weights.ETag]).ShouldBe(Weights.Content);
    }

    [Theory]
    [InlineData("wrong", "what came has the SHA-256 ")]
    [InlineData("longer", "more came than the 300000 bytes")]
    [InlineData("shorter", "the connection ended at byte 299999 of 300000")]
    [InlineData("other range", "the server sent another part (bytes 0-299999/300000)")]
    public async Task Find_WhatIsNotWhatTheHubSays_IsNotKept(string wrong, string words)
    {
        _server.Add(Model, Files);
        byte[] changed = [.. Weights.Content];
        changed[77] ^= 1;
        _server.Change = (r, answer) => r.IsHub ? answer : wrong switch
        {
            "wrong" => answer with { Body = changed },
            "longer" => answer with { Body = [.. Weights.Content, 0] },
            "shorter" => new FakeAnswer(200, Weights.Content[..^1]),
            _ => new FakeAnswer(206, Weights.Content, ("Content-Range", "bytes 0-299999/300000")),
        };
        if (wrong == "other range")
        {
            Directory.CreateDirectory(_directory["models--org--model/blobs"]);
            Write(_directory[$"models--org--model/blobs/{Weights.ETag}.incomplete"], new byte[7]);
            _server.Fault = r => !r.IsHub && r.From == 0 ? FakeAnswer.Of(404) : null;
            words = "to which the hub redirects, answers 404";
        }

        HubException e = await FailAsync();

        e.Failure.ShouldBe(wrong is "wrong" or "longer" ? HubFailure.Damaged : HubFailure.Unavailable);
        e.Message.ShouldContain(words);
        File.Exists(_directory["models--org--model/blobs/" + Weights.ETag]).ShouldBeFalse();
        Directory.Exists(_directory["models--org--model/refs"]).ShouldBeFalse();
        (await Should.ThrowAsync<HubException>(() => FindAsync(offline: true))).Failure.ShouldBe(HubFailure.Offline);
    }

    [Fact]
    public async Task Find_AWrongSmallFile_IsNotKept()
    {
        _server.Add(Model, Files);
        _server.Fault = r => r.Target.Contains("/api/resolve-cache") && r.Target.EndsWith("/config.json")
            ? new FakeAnswer(200, new byte[Config.Content.Length])
            : null;
        HubException e = await FailAsync();
        e.Failure.ShouldBe(HubFailure.Damaged);
        e.Message.ShouldContain("org/model/config.json: what came has the Git hash ");
    }

    [Fact]
    public async Task Find_AFileThatChangesOnTheHub_IsAnotherContent()
    {
        _server.Add(Model, Files);
        _server.Change = (r, answer) => r.IsHub ? answer : answer with { CutAt = r.From == 0 ? 1000 : 0 };
        await FailAsync();
        FakeFile changed = FakeFile.Large("model.safetensors", 200_000, seed: 9);
        _server.Add(Model, [Config, changed]);
        _server.Change = (_, answer) => answer;
        string path = await FindAsync();
        Bytes(Path.Combine(path, "model.safetensors")).ShouldBe(changed.Content);
        _server.Requests.Last(r => !r.IsHub).From.ShouldBe(0);
    }

    [Fact]
    public async Task Find_ADiskThatIsFull_SaysWhatAndLosesNothing()
    {
        _server.Add(Model, Files);
        HubException e = await Should.ThrowAsync<HubException>(() => Hub(open: path =>
            BlobDownload.OpenAlone(path) is { } file ? new FullStream(file, room: 123_456) : null)
            .FindAsync(HubName.Parse(Model), ModelParts.All, null, default));
        e.Failure.ShouldBe(HubFailure.Storage);
        e.Message.ShouldStartWith("org/model/model.safetensors: it cannot be stored: No space left on device");
        e.Message.ShouldContain("what has come is kept");
        long kept = new FileInfo(_directory[$"models--org--model/blobs/{Weights.ETag}.incomplete"]).Length;
        kept.ShouldBe(123_456);
        await FindAsync();
        _server.Requests.Last(r => !r.IsHub).From.ShouldBe(kept);
    }

    [Fact]
    public async Task Find_WhereNoLinkCanBeMade_CopiesOrMoves()
    {
        _server.Add(Model, Files);
        FakeFile[] next = [.. Files[..2], FakeFile.Large("model.safetensors", 1000, seed: 5)];
        string path = await FindAsync(linkless: true);
        Directory.GetFiles(path).ShouldAllBe(file => new FileInfo(file).LinkTarget == null);
        Bytes(Path.Combine(path, "model.safetensors")).ShouldBe(Weights.Content);
        Directory.GetFiles(_directory["models--org--model/blobs"]).ShouldBeEmpty();      // its bytes are here once
        int asked = _server.Requests.Count;
        (await FindAsync(linkless: true)).ShouldBe(path);
        _server.Requests.Count.ShouldBe(asked);
        _server.Add(Model, next);
        path = await Hub(linkless: true).FetchAsync(HubName.Parse(Model), ModelParts.All, null, default);
        Bytes(Path.Combine(path, "model.safetensors")).ShouldBe(next[^1].Content);
    }

    [Fact]
    public async Task Find_ByManyAtOnce_FetchesEachFileOnce()
    {
        _server.Add(Model, Files);
        string[] paths = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => FindAsync()));
        paths.Distinct().ShouldHaveSingleItem();
        _server.Requests.Count(r => !r.IsHub).ShouldBe(1);
    }

    [Fact]
    public async Task Find_Cancelled_StopsAndGoesOnLater()
    {
        _server.Add(Model, Files);
        using var stop = new CancellationTokenSource();
        var held = new TaskCompletionSource();
        _server.Change = (r, answer) => r.IsHub ? answer : answer with
        {
            BeforeSlice = sent => sent < 100_000 ? Task.CompletedTask : held.Task,
        };
        await Should.ThrowAsync<OperationCanceledException>(() =>
            Hub().FindAsync(HubName.Parse(Model), ModelParts.All, new StopsAt(100_000, stop), stop.Token));
        held.SetResult();
        _server.Change = (_, answer) => answer;
        await FindAsync();
        _server.Requests.Last(r => !r.IsHub).From.ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task Find_AListWithoutHashes_AsksForThem()
    {
        _server.ListsHashes = false;
        _server.Add(Model, Files);
        string path = await FindAsync();
        Bytes(Path.Combine(path, "model.safetensors")).ShouldBe(Weights.Content);
        _server.Requests.Count(r => r.Method == "HEAD" && !r.IsHub).ShouldBe(0);
        _server.Requests.Count(r => r.Method == "HEAD").ShouldBe(7);      // four files, three behind a redirect
    }

    [Fact]
    public async Task Find_Offline_TakesWhatIsHereAndNamesWhatIsNot()
    {
        _server.Add(Model, Files);
        (await Should.ThrowAsync<HubException>(() => FindAsync(offline: true))).Message
            .ShouldContain("HF_HUB_OFFLINE forbids to fetch it");
        string path = await FindAsync();
        (await FindAsync(offline: true)).ShouldBe(path);
        File.Delete(Path.Combine(path, "tokenizer.json"));
        (await Should.ThrowAsync<HubException>(() => FindAsync(offline: true))).Message
            .ShouldContain("tokenizer.json is missing");
        await Should.ThrowAsync<HubException>(() =>
            Hub(offline: true).FetchAsync(HubName.Parse(Model), ModelParts.All, null, default));
        int asked = _server.Requests.Count;
        (await FindAsync()).ShouldBe(path);
        _server.Requests.Count.ShouldBeGreaterThan(asked);
    }

    /// <summary>
    /// As huggingface_hub leaves it: a reference, links to contents, of which it may share some between repositories,
    /// and files that it knows are none.
    /// </summary>
    [Fact]
    public async Task Find_ACacheThatPythonWrote_IsTaken()
    {
        string commit = _server.Add(Model, Files);
        foreach (FakeFile file in Files)
        {
            WriteAsPython(commit, file);
        }

        Directory.CreateDirectory(_directory[$"models--org--model/refs"]);
        _directory.Write("models--org--model/refs/main", commit);
        Directory.CreateDirectory(_directory[$"models--org--model/.no_exist/{commit}"]);
        _directory.Write($"models--org--model/.no_exist/{commit}/added_tokens.json", "");

        string path = await FindAsync(offline: true);
        path.ShouldBe(_directory["models--org--model/snapshots/" + commit]);
        _server.Requests.ShouldBeEmpty();

        // Python may have fetched a part of it only: the hub is asked once what there is.
        (await FindAsync()).ShouldBe(path);
        (await FindAsync()).ShouldBe(path);
        _server.Requests.ShouldHaveSingleItem();

        File.Delete(_directory[$"models--org--model/trees/{commit}.json"]);
        File.Delete(Path.Combine(path, "generation_config.json"));
        (await FindAsync()).ShouldBe(path);
        TextOf(Path.Combine(path, "generation_config.json")).ShouldBe("{}");
        _server.Bytes.ShouldBeLessThan(2000);
    }

    [Fact]
    public async Task Find_ThroughAProxy_AsksTheProxyAndTellsTheTokenToTheHubAlone()
    {
        _server.Add(Model, Files);
        IWebProxy before = HttpClient.DefaultProxy;      // which is that of the environment
        HttpClient.DefaultProxy = new ProxyOf("hub.invalid", _server.Endpoint);
        try
        {
            await Hub("hf_x", endpoint: "http://hub.invalid").FindAsync(
                HubName.Parse(Model), ModelParts.All, null, default);
        }
        finally
        {
            HttpClient.DefaultProxy = before;
        }

        _server.Requests.Where(r => r.IsHub)
            .ShouldAllBe(r => r.Target.StartsWith("http://hub.invalid/") && r.Token == "Bearer hf_x");
        _server.Requests.Where(r => !r.IsHub).ShouldHaveSingleItem().Token.ShouldBeNull();
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{\"sha\": \"x\", \"siblings\": []}")]
    [InlineData("{\"sha\": \"0123456789abcdef0123456789abcdef01234567\"}")]
    [InlineData("{\"sha\": \"0123456789abcdef0123456789abcdef01234567\", \"siblings\": [{\"rfilename\": 3}]}")]
    public async Task Find_AnAnswerThatIsNoList_SaysSo(string answer)
    {
        _server.Fault = _ => FakeAnswer.Of(200, answer);
        HubException e = await FailAsync();
        e.Failure.ShouldBe(HubFailure.Unavailable);
        e.Message.ShouldContain("is no list of a model's files");
    }

    [Fact]
    public async Task Find_PathsAndHashesThatLeadOut_AreNotTaken()
    {
        const string commit = "0123456789abcdef0123456789abcdef01234567";
        string[] paths = ["../../x.gguf", "/etc/x.gguf", "a//x.gguf", "C:\\\\x.gguf", "./x.gguf"];
        string siblings = string.Join(',', paths.Select(path =>
            $"{{\"rfilename\": \"{path}\", \"size\": 1, \"blobId\": \"{commit}\"}}")
            .Append("{\"rfilename\": \"y.gguf\", \"size\": 1, \"blobId\": \"../../../y\"}")
            .Append("{\"rfilename\": \"z.gguf\", \"size\": -1, \"blobId\": \"" + commit + "\"}"));
        _server.Fault = _ => FakeAnswer.Of(200, $"{{\"sha\": \"{commit}\", \"siblings\": [{siblings}]}}");
        (await FailAsync()).Message.ShouldContain("the repository has neither config.json nor a GGUF file");
    }

    [Fact]
    public async Task Find_RedirectsWithoutEnd_AreLeft()
    {
        _server.Fault = r => FakeAnswer.Of(302, "", ("Location", r.Target));
        (await FailAsync()).Message.ShouldContain("redirects more than 10 times");
        _server.Fault = _ => FakeAnswer.Of(302, "", ("Location", "file:///etc/passwd"));
        (await FailAsync()).Message.ShouldContain("redirects to file:///etc/passwd, which is not followed");
    }

    private static byte[] Bytes(string path) => File.ReadAllBytes(path);

    private static string TextOf(string path) => File.ReadAllText(path);

    private static void Write(string path, byte[] bytes) => File.WriteAllBytes(path, bytes);

    private string Commit() => File.ReadAllText(_directory["models--org--model/refs/main"]);

    private void WriteAsPython(string commit, FakeFile file)
    {
        string blobs = Directory.CreateDirectory(_directory["models--org--model/blobs"]).FullName;
        if (file.IsLarge)
        {
            string shared = Directory.CreateDirectory(_directory["blobs/" + file.ETag[..2]]).FullName;
            File.WriteAllBytes(Path.Combine(shared, file.ETag), file.Content);
            File.CreateSymbolicLink(
                Path.Combine(blobs, file.ETag), $"../../blobs/{file.ETag[..2]}/{file.ETag}");
        }
        else
        {
            File.WriteAllBytes(Path.Combine(blobs, file.ETag), file.Content);
        }

        string snapshot = Directory.CreateDirectory(_directory["models--org--model/snapshots/" + commit]).FullName;
        File.CreateSymbolicLink(Path.Combine(snapshot, file.Path), "../../blobs/" + file.ETag);
    }

    private ModelHub Hub(
        string? token = null, bool offline = false, bool linkless = false, TimeSpan? patience = null,
        Func<string, Stream?>? open = null, string? endpoint = null)
    {
        var settings = new HubSettings
        {
            Endpoint = endpoint ?? _server.Endpoint,
            CacheDirectory = _directory.Root,
            Token = token,
            Offline = offline,
        };
        return new ModelHub(settings)
        {
            Retry = new HubRetry((pause, _) =>
            {
                _pauses.Enqueue(pause);
                return Task.CompletedTask;
            }),
            Patience = patience ?? TimeSpan.FromSeconds(30),
            OpenBlob = open ?? BlobDownload.OpenAlone,
            Repository = name => linkless
                ? new CachedRepository(_directory.Root, name) { MakeLink = (_, _) => throw new IOException("no links") }
                : new CachedRepository(_directory.Root, name),
        };
    }

    private Task<string> FindAsync(
        string name = Model, string? token = null, IProgress<DownloadProgress>? progress = null, bool offline = false,
        bool linkless = false) =>
        Hub(token, offline, linkless).FindAsync(HubName.Parse(name), ModelParts.All, progress, default);

    private Task<HubException> FailAsync(string name = Model, string? token = null) =>
        Should.ThrowAsync<HubException>(() => FindAsync(name, token));

    private sealed class Recorder : IProgress<DownloadProgress>
    {
        private readonly ConcurrentQueue<DownloadProgress> _seen = [];

        public IReadOnlyList<DownloadProgress> Seen => [.. _seen];

        public void Report(DownloadProgress value) => _seen.Enqueue(value);
    }

    /// <summary>The proxy of one host.</summary>
    private sealed class ProxyOf(string host, string address) : IWebProxy
    {
        public ICredentials? Credentials { get; set; }

        public Uri GetProxy(Uri destination) => new(address);

        public bool IsBypassed(Uri destination) => destination.Host != host;
    }

    /// <summary>A file on a disk with so much room.</summary>
    private sealed class FullStream(Stream file, long room) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => true;

        public override long Length => file.Length;

        public override long Position
        {
            get => file.Position;
            set => file.Position = value;
        }

        public override void Flush() => file.Flush();

        public override int Read(byte[] buffer, int offset, int count) => file.Read(buffer, offset, count);

        public override long Seek(long offset, SeekOrigin origin) => file.Seek(offset, origin);

        public override void SetLength(long value) => file.SetLength(value);

        public override void Write(byte[] buffer, int offset, int count)
        {
            int fits = (int)Math.Min(count, room - file.Position);
            file.Write(buffer, offset, fits);
            if (fits < count)
            {
                throw new IOException("No space left on device");
            }
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                file.Dispose();
            }

            base.Dispose(disposing);
        }
    }

    /// <summary>Stops a download when so many bytes of it are here.</summary>
    private sealed class StopsAt(long bytes, CancellationTokenSource stop) : IProgress<DownloadProgress>
    {
        public void Report(DownloadProgress value)
        {
            if (value.Fetched >= bytes)
            {
                stop.Cancel();
            }
        }
    }
}
