using Octavo.Cpu.Linears;
using Octavo.Cpu.Weights;
using Octavo.Models;

namespace Octavo.Cpu.Sublayers;

/// <summary>The residual stream to logits.</summary>
internal sealed unsafe class Head
{
    private readonly DecoderSpec _spec;
    private readonly NormWeights? _norm;
    private readonly Linear? _project;
    private readonly Linear _head;

    public Head(DecoderSpec spec, WeightStore weights)
    {
        _spec = spec;
        _norm = weights.Load(spec.FinalNorm);
        _project = spec.OutputProjection is { } projection ? weights.Pack(projection) : null;
        _head = weights.Pack(spec.Head);
    }

    /// <summary>Norms the wanted rows, gathered one behind another, and multiplies them with the head.</summary>
    /// <param name="step">The step, all of whose rows are finished.</param>
    /// <param name="logits">Receives logits, <c>[wanted rows][vocabulary]</c>.</param>
    /// <param name="worker">This worker's number.</param>
    public void Run(StepState step, float* logits, int worker)
    {
        ReadOnlySpan<int> wanted = step.Batch.LogitsRows;
        RowRange mine = step.RowsOf(worker, wanted.Length);
        for (int i = mine.First; i < mine.End; i++)
        {
            float* x = step.Hidden.Row(wanted[i]);
            if (_norm is not null)
            {
                Sublayer.Norm(_norm, x, step.Row(worker));
                x = step.Row(worker);
            }

            step.Store(_project ?? _head, i, x);
        }

        step.Team.Wait();
        if (_project is not null)
        {
            step.Multiply(
                _project, worker, wanted.Length,
                new LinearOutput(step.Projected.Floats, step.Projected.Stride, _spec.EmbeddingSize));
            step.Team.Wait();
            step.Store(_head, step.Projected.Floats, step.Projected.Stride, mine);
            step.Team.Wait();
        }

        step.Multiply(_head, worker, wanted.Length, new LinearOutput(logits, _spec.VocabSize, _spec.VocabSize));
    }
}
