using Octavo.Cpu.Linears;
using Octavo.Cpu.Panels;
using Octavo.Cpu.Simd;
using Octavo.Cpu.Threading;
using Octavo.Cpu.Weights;
using Octavo.Models;

namespace Octavo.Cpu.Sublayers;

/// <summary>Token ids to the residual stream.</summary>
internal sealed unsafe class Embedding
{
    private readonly DecoderSpec _spec;
    private readonly MatrixSource _tokens;
    private readonly NormWeights? _norm;
    private readonly MatrixSource? _positions;
    private readonly Linear? _project;
    private readonly MatrixSource? _inputs;
    private readonly Linear? _projectInputs;
    private readonly NormWeights? _inputNorm;

    public Embedding(DecoderSpec spec, WeightStore weights)
    {
        (_spec, _tokens) = (spec, weights.Open(spec.TokenTable));
        _norm = weights.Load(spec.EmbeddingNorm);
        _positions = spec.PositionTable is { } positions ? weights.Open(positions) : null;
        _project = spec.InputProjection is { } projection ? weights.Pack(projection) : null;
        if (spec.LayerInputs is { } inputs)
        {
            _inputs = weights.Open(spec.LayerInputTable!);
            _projectInputs = weights.Pack(spec.LayerInputProjection!);
            _inputNorm = weights.Load(inputs.Norm);
        }
    }

    /// <summary>Writes the residual stream of a step.</summary>
    public void Run(StepState step, TeamMember member)
    {
        int tokens = step.Batch.NumTokens;
        step.ForRows(member, tokens, new TokenRows(this, step));
        if (_project is not null)
        {
            step.Multiply(
                member, _project, tokens,
                new LinearOutput(step.Hidden.Floats, step.Hidden.Stride, _spec.HiddenSize));
        }

        if (_positions is not null)
        {
            step.ForRows(member, tokens, new PositionRows(this, step));
        }

        if (_projectInputs is not null)
        {
            LayerInputWorkspace work = step.Workspace<LayerInputWorkspace>();
            step.Store(member, _projectInputs, step.Hidden.Floats, step.Hidden.Stride, tokens);
            step.Multiply(
                member, _projectInputs, tokens,
                new LinearOutput(work.Inputs.Floats, work.Inputs.Stride, _projectInputs.OutFeatures));
            step.ForRows(member, tokens, new LayerInputRows(this, step, work));
        }
    }

    private readonly struct TokenRows(Embedding embedding, StepState step) : IRows
    {
        public void Run(int row, TeamMember member)
        {
            float* x = embedding._project is null ? step.Hidden.Row(row) : step.Projected.Row(row);
            embedding._tokens.ReadRow(
                step.Batch.TokenIds[row], new Span<float>(x, embedding._spec.EmbeddingSize));
            if (embedding._spec.EmbeddingScale != 1)
            {
                RowKernels.Scale(x, embedding._spec.EmbeddingScale, embedding._spec.EmbeddingSize);
            }

            if (embedding._norm is { } norm)
            {
                Sublayer.Norm(norm, x, x);
            }

            if (embedding._project is not null)
            {
                step.Store(embedding._project, row, x);
            }
        }
    }

    private readonly struct PositionRows(Embedding embedding, StepState step) : IRows
    {
        public void Run(int row, TeamMember member)
        {
            DecoderSpec spec = embedding._spec;
            float* position = step.Row(member);
            embedding._positions!.ReadRow(
                step.Batch.Positions[row] + spec.LearnedPositions!.Offset,
                new Span<float>(position, spec.HiddenSize));
            RowKernels.Add(position, step.Hidden.Row(row), spec.HiddenSize);
        }
    }

    // On entry a row holds what the projection gave.
    private readonly struct LayerInputRows(Embedding embedding, StepState step, LayerInputWorkspace work) : IRows
    {
        public void Run(int row, TeamMember member)
        {
            LayerInputs spec = embedding._spec.LayerInputs!;
            int width = spec.Count * spec.Width;
            float* inputs = work.Inputs.Row(row);
            float* token = work.Rows[member.Number].Floats;
            embedding._inputs!.ReadRow(step.Batch.TokenIds[row], new Span<float>(token, width));
            RowKernels.Scale(inputs, spec.ProjectionScale, width);
            for (int i = 0; i < spec.Count; i++)
            {
                float* one = inputs + ((long)i * spec.Width);
                Sublayer.Norm(embedding._inputNorm!, one, one);
            }

            RowKernels.AddScaled(token, spec.TableScale, inputs, width);
            RowKernels.Scale(inputs, spec.SumScale, width);
        }
    }
}
