using Octavo.Cpu.Linears;
using Octavo.Cpu.Simd;
using Octavo.Cpu.Threading;
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
    /// <param name="member">A member of the team.</param>
    public void Run(StepState step, float* logits, TeamMember member)
    {
        int rows = step.Batch.LogitsRows.Length;
        step.ForRows(member, rows, new InputRows(this, step));
        if (_project is not null)
        {
            RowBuffer projected = step.Projected;
            step.Multiply(
                member, _project, rows, new LinearOutput(projected.Floats, projected.Stride, _spec.EmbeddingSize));
            step.Store(member, _head, projected.Floats, projected.Stride, rows);
        }

        step.Multiply(member, _head, rows, new LinearOutput(logits, _spec.VocabSize, _spec.VocabSize));
        if (_spec.LogitsScale != 1 || _spec.LogitsSoftCap is not null)
        {
            step.ForRows(member, rows, new LogitsRows(_spec, logits));
        }
    }

    private readonly struct LogitsRows(DecoderSpec spec, float* logits) : IRows
    {
        public void Run(int row, TeamMember member)
        {
            float* x = logits + ((long)row * spec.VocabSize);
            if (spec.LogitsScale != 1)
            {
                RowKernels.Scale(x, spec.LogitsScale, spec.VocabSize);
            }

            if (spec.LogitsSoftCap is { } cap)
            {
                RowKernels.SoftCap(x, cap, spec.VocabSize);
            }
        }
    }

    private readonly struct InputRows(Head head, StepState step) : IRows
    {
        public void Run(int row, TeamMember member)
        {
            float* x = step.Hidden.Row(step.Batch.LogitsRows[row]);
            if (head._norm is not null)
            {
                Sublayer.Norm(head._norm, x, step.Row(member));
                x = step.Row(member);
            }

            step.Store(head._project ?? head._head, row, x);
        }
    }
}
