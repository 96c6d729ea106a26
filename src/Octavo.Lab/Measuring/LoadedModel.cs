using Octavo.Cpu;
using Octavo.Engine;
using Octavo.Formats;

namespace Octavo.Lab.Measuring;

/// <summary>A model in memory, to be measured by one engine after another.</summary>
internal sealed class LoadedModel : IDisposable
{
    private const int RandomBlockSize = 16;

    private readonly IDisposable _opened;     // what the runner reads from
    private readonly IModelRunner _runner;
    private bool _disposed;

    private LoadedModel(string name, int maxModelLen, IDisposable opened, IModelRunner runner) =>
        (Name, MaxModelLen, _opened, _runner) = (name, maxModelLen, opened, runner);

    /// <summary>What it is called.</summary>
    public string Name { get; }

    /// <summary>Tokens that it knows.</summary>
    public int VocabSize => _runner.VocabSize;

    /// <summary>The longest sequence, in tokens.</summary>
    public int MaxModelLen { get; }

    /// <summary>The most tokens a step may have.</summary>
    public int MaxNumBatchedTokens => _runner.MaxNumBatchedTokens;

    /// <summary>Blocks that hold as many tokens in all layers as the key-value cache does.</summary>
    public int BlocksOfTokens => (int)(_runner.CacheGroups.TokensIn(
        _runner.NumBlocks, _runner.BlockSize, MaxModelLen, MaxNumBatchedTokens) / _runner.BlockSize);

    /// <summary>Tokens a block.</summary>
    public int BlockSize => _runner.BlockSize;

    /// <summary>Loads a model from a Hugging Face directory.</summary>
    /// <inheritdoc cref="AsyncEngine.Load" path="/exception"/>
    public static LoadedModel Load(string model, EngineOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(model);
        var opened = Model.Open(model);
        return Make(opened, () =>
        {
            ModelPlan plan = opened.Plan(options);
            return new LoadedModel(plan.Info.Name, plan.Info.MaxModelLen, opened, plan.Load());
        });
    }

    /// <summary>Makes a model of a shape with random weights.</summary>
    /// <param name="shape">Its widths.</param>
    /// <param name="weights">How its weights are stored.</param>
    /// <param name="maxModelLen">The longest sequence.</param>
    /// <param name="cacheTokens">Tokens that its cache holds.</param>
    /// <param name="maxNumBatchedTokens">The most tokens a step may have.</param>
    /// <param name="threads">Threads that share the work; null takes one a processor.</param>
    public static LoadedModel Random(
        ModelShape shape, WeightScheme weights, int maxModelLen, int cacheTokens, int maxNumBatchedTokens, int? threads)
    {
        Checkpoint checkpoint = RandomModel.MakeCheckpoint(shape);
        return Make(checkpoint, () =>
        {
            var plan = new CpuPlan(RandomModel.Describe(shape, maxModelLen), checkpoint, new PlanRequest
            {
                Weights = weights,
                KvCache = ModelPlan.DefaultKvCache(weights),
                BlockSize = RandomBlockSize,
                MaxModelLen = maxModelLen,
                MaxNumBatchedTokens = maxNumBatchedTokens,
                Threads = threads,
            });
            return new LoadedModel(
                "random " + shape.Name, maxModelLen, checkpoint, plan.Load(cacheTokens / RandomBlockSize));
        });
    }

    /// <summary>A fresh engine over the model; disposing it leaves the model loaded. One at a time.</summary>
    /// <exception cref="ObjectDisposedException">
    /// The model was disposed; an engine made before throws it at its next step.
    /// </exception>
    public LlmEngine MakeEngine(LlmEngineOptions options)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new LlmEngine(new LentRunner(_runner), null, options);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        _runner.Dispose();
        _opened.Dispose();
    }

    private static LoadedModel Make(IDisposable opened, Func<LoadedModel> load)
    {
        try
        {
            return load();
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }
}
