using Octavo.Formats.Hub;
using Octavo.Testing;

namespace Octavo.Formats.Tests.Hub;

/// <summary>What is in the cache, and what goes when something of it is removed.</summary>
public sealed class CacheTests : IDisposable
{
    private static readonly string First = new('a', 40);
    private static readonly string Second = new('b', 40);
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void List_OfWhatIsThere_NamesWhatCanBeLoaded()
    {
        WriteTwoRevisions();
        Write("org/gguf", First, FakeFile.Large("m-Q4_0.gguf", 50), FakeFile.Large("m-Q8_0-00001-of-00002.gguf", 70));
        SetRef("org/gguf", "main", First);
        Write("org/old", First, FakeFile.Of("config.json", "{}"), FakeFile.Large("pytorch_model.bin", 30));
        Directory.CreateDirectory(_directory["models--org--begun/blobs"]);
        _directory.Write("models--org--begun/blobs/x.incomplete", "12345");
        Directory.CreateDirectory(_directory["datasets--org--data/blobs"]);
        _directory.Write("version.txt", "1");

        CachedModel.List(_directory.Root).Select(model => (
            model.Name.ToString(), model.Commit?[0], string.Join(',', model.Revisions), model.Format, model.Bytes,
            model.IsWhole)).ShouldBe([
                ("org/begun", null, "", "no weights", 5, false),
                ("org/gguf:Q4_0", 'a', "main", "GGUF", 50, true),
                ("org/gguf:Q8_0", 'a', "main", "GGUF", 70, false),
                ("org/model@v1", 'a', "v1", "safetensors", 1003, true),
                ("org/model", 'b', "main", "safetensors", 2003, true),
                ("org/old@" + First, 'a', "", "PyTorch", 32, true),
            ]);
        CachedModel.List(_directory["none"]).ShouldBeEmpty();
    }

    [Fact]
    public void List_ASnapshotWithoutItsWeights_IsNotWhole()
    {
        Write("org/model", First, FakeFile.Of("config.json", "{}"), FakeFile.Of(
            "model.safetensors.index.json", "{\"weight_map\": {\"a\": \"model-1.safetensors\"}}"));
        CachedModel.List(_directory.Root).ShouldHaveSingleItem().IsWhole.ShouldBeFalse();
    }

    [Fact]
    public void Remove_ARevision_KeepsWhatAnotherHas()
    {
        WriteTwoRevisions();
        var removal = CacheRemoval.Of(_directory.Root, HubName.Parse("org/model@v1"));
        removal.Bytes.ShouldBe(1000);
        removal.Run();

        CachedModel.List(_directory.Root).ShouldHaveSingleItem().Name.ToString().ShouldBe("org/model");
        Names("blobs").ShouldBe(new[] { Config.ETag, Weights(2000).ETag }.Order());
        Names("snapshots").ShouldBe([Second]);
        Names("refs").ShouldBe(["main"]);
        File.ReadAllText(_directory[$"models--org--model/snapshots/{Second}/config.json"]).ShouldBe("{ }");
    }

    [Fact]
    public void Remove_AShortenedCommit_IsThatOne()
    {
        WriteTwoRevisions();
        CacheRemoval.Of(_directory.Root, HubName.Parse("org/model@bbbbbbb")).Run();
        Names("snapshots").ShouldBe([First]);
        Names("refs").ShouldBe(["v1"]);
        HubException none =
            Should.Throw<HubException>(() => CacheRemoval.Of(_directory.Root, HubName.Parse("org/model@bbbbbbb")));
        none.Message.ShouldBe("org/model@bbbbbbb: it is not in the cache: its revision bbbbbbb is not here");
    }

    [Fact]
    public void Remove_ARepository_LeavesNothingOfIt()
    {
        WriteTwoRevisions();
        _directory.Write($"models--org--model/blobs/{First}.incomplete", "123");
        var removal = CacheRemoval.Of(_directory.Root, HubName.Parse("org/model"));
        removal.Bytes.ShouldBe(3 + 1000 + 2000 + 3 + 80);      // and the two references
        removal.Run();
        Directory.GetFileSystemEntries(_directory.Root).ShouldBeEmpty();
        Should.Throw<HubException>(() => CacheRemoval.Of(_directory.Root, HubName.Parse("org/model")))
            .Failure.ShouldBe(HubFailure.NotFound);
    }

    [Fact]
    public void Remove_AQuantization_LeavesTheOthers()
    {
        FakeFile q4 = FakeFile.Large("m-Q4_0.gguf", 50), q8 = FakeFile.Large("m-Q8_0.gguf", 70);
        Write("org/model", First, q4, q8);
        SetRef("org/model", "main", First);
        var removal = CacheRemoval.Of(_directory.Root, HubName.Parse("org/model:q8_0"));
        removal.Bytes.ShouldBe(70);
        removal.Run();
        Names("blobs").ShouldBe([q4.ETag]);
        CacheRemoval.Of(_directory.Root, HubName.Parse("org/model:Q4_0")).Run();
        Names("blobs").ShouldBeEmpty();
        Names("snapshots").ShouldBeEmpty();
        Names("refs").ShouldBeEmpty();
    }

    [Fact]
    public void Remove_WhatIsBeingFetched_IsRefused()
    {
        WriteTwoRevisions();
        Directory.CreateDirectory(_directory[".locks/models--org--model"]);
        CachedRepository.TryOpenAlone(_directory[".locks/models--org--model/x.lock"], out FileStream? held)
            .ShouldBeTrue();
        using (held)
        {
            var removal = CacheRemoval.Of(_directory.Root, HubName.Parse("org/model"));
            Should.Throw<HubException>(removal.Run).Message.ShouldContain("another process fetches files of it");
            CachedModel.List(_directory.Root).Count.ShouldBe(2);
        }

        CacheRemoval.Of(_directory.Root, HubName.Parse("org/model")).Run();
    }

    [Fact]
    public void Remove_FilesThatAreNoLinks_GoWithTheirRevision()
    {
        string folder = Directory.CreateDirectory(_directory["models--org--model/snapshots/" + First]).FullName;
        File.WriteAllBytes(Path.Combine(folder, "model.safetensors"), new byte[40]);
        var removal = CacheRemoval.Of(_directory.Root, HubName.Parse("org/model@" + First));
        removal.Bytes.ShouldBe(40);
        removal.Run();
        Names("snapshots").ShouldBeEmpty();
    }

    private static FakeFile Config => FakeFile.Of("config.json", "{ }");

    private static FakeFile Weights(int size) => FakeFile.Large("model.safetensors", size);

    private string[] Names(string folder) =>
        [.. Directory.GetFileSystemEntries(_directory["models--org--model/" + folder]).Select(p => Path.GetFileName(p))
            .Order()];

    private void WriteTwoRevisions()
    {
        Write("org/model", First, Config, Weights(1000));
        SetRef("org/model", "v1", First);
        Write("org/model", Second, Config, Weights(2000));
        SetRef("org/model", "main", Second);
    }

    private void SetRef(string repository, string revision, string commit) =>
        new CachedRepository(_directory.Root, repository).SetCommit(revision, commit);

    private void Write(string repository, string commit, params FakeFile[] files)
    {
        string folder = _directory["models--" + repository.Replace("/", "--")];
        string blobs = Directory.CreateDirectory(Path.Combine(folder, "blobs")).FullName;
        string snapshot = Directory.CreateDirectory(Path.Combine(folder, "snapshots", commit)).FullName;
        foreach (FakeFile file in files)
        {
            File.WriteAllBytes(Path.Combine(blobs, file.ETag), file.Content);
            File.CreateSymbolicLink(Path.Combine(snapshot, file.Path), "../../blobs/" + file.ETag);
        }
    }
}
