using Octavo.Cpu;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Quantization.Evaluation;

/// <summary>A loaded model whose logits are compared.</summary>
internal sealed class EvaluatedModel : IDisposable
{
    private readonly StepBatch _batch;
    private readonly int[] _blocks;

    private EvaluatedModel(string name, ModelDescription description, Checkpoint checkpoint, CpuModelRunner runner)
    {
        (Name, Description, Checkpoint, Runner) = (name, description, checkpoint, runner);
        _batch = new StepBatch(runner);
        _blocks = [.. Enumerable.Range(0, runner.NumBlocks)];
    }

    /// <summary>What reports call it.</summary>
    public string Name { get; }

    /// <summary>What it is.</summary>
    public ModelDescription Description { get; }

    internal CpuModelRunner Runner { get; }

    internal Checkpoint Checkpoint { get; }

    /// <summary>Takes a model as it was loaded.</summary>
    /// <param name="name">What reports call it.</param>
    /// <param name="description">What it is.</param>
    /// <param name="checkpoint">Its weights; stays open as long as the model lives.</param>
    /// <param name="runner">Runs it on this processor; its cache holds one window. Disposed with the model.</param>
    /// <exception cref="ArgumentException">The runner is another backend's.</exception>
    public static EvaluatedModel Of(
        string name, ModelDescription description, Checkpoint checkpoint, IModelRunner runner)
    {
        return runner is CpuModelRunner here
            ? new EvaluatedModel(name, description, checkpoint, here)
            : throw new ArgumentException("expected a runner of this processor", nameof(runner));
    }

    /// <summary>Computes the logits of a window's next tokens; earlier ones of the same window came before.</summary>
    /// <param name="ids">The tokens.</param>
    /// <param name="position">The first one's position in the window.</param>
    /// <param name="logits">Receives them, <c>[tokens][vocabulary]</c>.</param>
    internal void Run(ReadOnlySpan<int> ids, int position, Span<float> logits)
    {
        _batch.Clear();
        _batch.AddSequence(ids, position, _blocks, ids.Length);
        Runner.Run(_batch, logits);
    }

    /// <inheritdoc/>
    public void Dispose() => Runner.Dispose();
}
