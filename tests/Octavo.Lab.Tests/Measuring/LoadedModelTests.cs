using Octavo.Engine;
using Octavo.Lab.Measuring;
using Octavo.Testing;

namespace Octavo.Lab.Tests.Measuring;

public sealed class LoadedModelTests
{
    [Fact]
    public void Load_NothingNamed_IsAnArgumentException()
    {
        Should.Throw<ArgumentException>(() => LoadedModel.Load(null!, new EngineOptions())).ParamName.ShouldBe("model");
        Should.Throw<ArgumentException>(() => LoadedModel.Load("", new EngineOptions())).ParamName.ShouldBe("model");
    }

    [Fact]
    public void MakeEngine_AfterDispose_SaysThatItIsDisposed()
    {
        var options = new LlmEngineOptions
        {
            ModelName = "x",
            MaxModelLen =
            64,
            Scheduling = new() { Batching = BatchingMode.Fixed, MaxNumSeqs = 2, MaxNumBatchedTokens = 64 }
        };
        LoadedModel model = LoadedModel.Load(
            Repository.TalesModel, new EngineOptions { Memory = new() { KvCacheMemory = 16 << 20 } });
        LlmEngine engine = model.MakeEngine(options);
        engine.Add(new EngineRequest { Id = "1", PromptTokenIds = [1, 2] }, _ => { });
        model.Dispose();
        model.Dispose();
        Should.Throw<ObjectDisposedException>(() => engine.Step());
        Should.Throw<ObjectDisposedException>(() => model.MakeEngine(options));
        engine.Dispose();
        engine.Dispose();
        Should.Throw<ObjectDisposedException>(() => engine.Step());
        Should.Throw<ObjectDisposedException>(
            () => engine.Validate(new EngineRequest { Id = "2", PromptTokenIds = [1] }));
    }
}
