using Octavo.Cpu.Linears;
using Octavo.Cpu.Panels;
using Octavo.Cpu.Simd;
using Octavo.Cpu.Weights;
using Octavo.Models;

namespace Octavo.Cpu.Sublayers;

/// <summary>Token ids to the residual stream.</summary>
internal sealed unsafe class Embedding
{
    private readonly DecoderSpec _spec;
    private readonly MatrixSource _tokens;
    private readonly MatrixSource? _positions;
    private readonly Linear? _project;

    public Embedding(DecoderSpec spec, WeightStore weights)
    {
        (_spec, _tokens) = (spec, weights.Open(spec.TokenTable));
        _positions = spec.PositionTable is { } positions ? weights.Open(positions) : null;
        _project = spec.InputProjection is { } projection ? weights.Pack(projection) : null;
    }

    /// <summary>Writes the residual stream of a step; workers are done with their own rows when it returns.</summary>
    public void Run(StepState step, int worker)
    {
        RowRange mine = step.RowsOf(worker, step.Batch.NumTokens);
        ReadOnlySpan<int> ids = step.Batch.TokenIds;
        for (int row = mine.First; row < mine.End; row++)
        {
            float* embedding = _project is null ? step.Hidden.Row(row) : step.Projected.Row(row);
            _tokens.ReadRow(ids[row], new Span<float>(embedding, _spec.EmbeddingSize));
            if (_project is not null)
            {
                step.Store(_project, row, embedding);
            }
        }

        if (_project is not null)
        {
            step.Team.Wait();
            step.Multiply(
                _project, worker, step.Batch.NumTokens,
                new LinearOutput(step.Hidden.Floats, step.Hidden.Stride, _spec.HiddenSize));
            step.Team.Wait();
        }

        if (_positions is not null)
        {
            AddPositions(step, worker, mine);
        }
    }

    private void AddPositions(StepState step, int worker, RowRange mine)
    {
        ReadOnlySpan<int> positions = step.Batch.Positions;
        float* position = step.Row(worker);
        for (int row = mine.First; row < mine.End; row++)
        {
            _positions!.ReadRow(
                positions[row] + _spec.LearnedPositions!.Offset, new Span<float>(position, _spec.HiddenSize));
            RowKernels.Add(position, step.Hidden.Row(row), _spec.HiddenSize);
        }
    }
}
