using Octavo.Cpu;
using Octavo.Cpu.Kernels;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Lab.Measuring;

/// <summary>A model in memory, to be measured by one engine after another.</summary>
internal sealed class LoadedModel : IDisposable
{
    private const int RandomBlockSize = 16;

    private readonly Checkpoint _checkpoint;
    private readonly CpuModelRunner _runner;
    private bool _disposed;

    private LoadedModel(string name, Checkpoint checkpoint, CpuModelRunner runner) => (Name, _checkpoint, _runner) = (name, checkpoint, runner);

    /// <summary>What it is called.</summary>
    public string Name { get; }

    /// <summary>Tokens that it knows.</summary>
    public int VocabSize => _runner.VocabSize;

    /// <summary>The longest sequence, in tokens.</summary>
    public int MaxModelLen => _runner.Options.MaxModelLen;

    /// <summary>The most tokens a step may have.</summary>
    public int MaxNumBatchedTokens => _runner.MaxNumBatchedTokens;

    /// <summary>Blocks of the key-value cache.</summary>
    public int NumBlocks => _runner.NumBlocks;

    /// <summary>Tokens a block.</summary>
    public int BlockSize => _runner.BlockSize;

    /// <summary>Loads a model from a Hugging Face directory.</summary>
    /// <inheritdoc cref="AsyncEngine.Load" path="/exception"/>
    public static LoadedModel Load(string model, EngineOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(model);
        ArgumentNullException.ThrowIfNull(options);
        ModelDirectory directory = ModelDirectory.Open(model);
        Checkpoint checkpoint = directory.OpenCheckpoint();
        return Make(checkpoint, () =>
        {
            ModelInfo plan = ModelPlan.Make(directory, ModelCatalog.Describe(directory, checkpoint), checkpoint, options);
            ModelPlan.RequireMemory(plan);
            return (plan.Name, plan.Spec, plan.RunnerOptions);
        });
    }

    /// <summary>Makes a model of a shape with random weights.</summary>
    /// <param name="shape">Its widths.</param>
    /// <param name="weights">How its weights are stored.</param>
    /// <param name="maxModelLen">The longest sequence.</param>
    /// <param name="cacheTokens">Tokens that its cache holds.</param>
    /// <param name="maxNumBatchedTokens">The most tokens a step may have.</param>
    /// <param name="threads">Threads that share the work; null takes one a processor.</param>
    public static LoadedModel Random(ModelShape shape, WeightFormat weights, int maxModelLen, int cacheTokens, int maxNumBatchedTokens, int? threads)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return Make(RandomModel.MakeCheckpoint(shape), () => ("random " + shape.Name, RandomModel.Describe(shape, maxModelLen), new CpuRunnerOptions
        {
            Weights = weights,
            KvCache = ModelPlan.DefaultKvCache(weights),
            NumBlocks = cacheTokens / RandomBlockSize,
            BlockSize = RandomBlockSize,
            MaxModelLen = maxModelLen,
            MaxNumBatchedTokens = maxNumBatchedTokens,
            Threads = threads,
        }));
    }

    /// <summary>A fresh engine over the model; disposing it leaves the model loaded. One at a time.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed; an engine made before throws it at its next step.</exception>
    public LlmEngine MakeEngine(LlmEngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new LlmEngine(new Lent(_runner), null, options);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        _runner.Dispose();
        _checkpoint.Dispose();
    }

    private static LoadedModel Make(Checkpoint checkpoint, Func<(string Name, DecoderSpec Spec, CpuRunnerOptions Options)> plan)
    {
        try
        {
            (string name, DecoderSpec spec, CpuRunnerOptions options) = plan();
            return new LoadedModel(name, checkpoint, new CpuModelRunner(spec, checkpoint, options));
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>The runner for an engine that does not own it.</summary>
    private sealed class Lent(CpuModelRunner runner) : IModelRunner
    {
        public int VocabSize => runner.VocabSize;

        public int NumBlocks => runner.NumBlocks;

        public int BlockSize => runner.BlockSize;

        public int MaxNumBatchedTokens => runner.MaxNumBatchedTokens;

        public void Run(StepBatch batch, Span<float> logits) => runner.Run(batch, logits);

        public void Dispose()
        {
        }
    }
}
