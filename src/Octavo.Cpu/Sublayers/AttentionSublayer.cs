using Octavo.Cpu.Attention;
using Octavo.Cpu.Linears;
using Octavo.Cpu.Simd;
using Octavo.Cpu.Weights;
using Octavo.Models;

namespace Octavo.Cpu.Sublayers;

/// <summary>Causal self-attention over the paged cache.</summary>
internal sealed unsafe class AttentionSublayer : Sublayer
{
    private readonly AttentionSpec _spec;
    private readonly Linear _queryKeyValue;
    private readonly Linear _output;
    private readonly RotaryTable? _rotary;
    private readonly AttentionRule _rule;

    public AttentionSublayer(AttentionSpec spec, WeightStore weights, RotaryTables rotary)
        : base(spec, weights)
    {
        _spec = spec;
        _queryKeyValue = Linear(LinearRole.QueryKeyValue);
        _output = Linear(LinearRole.AttentionOutput);
        _rotary = spec.Positions is RotaryPositions positions ? rotary.For(positions, spec.HeadDim) : null;
        _rule = new AttentionRule
        {
            Scale = spec.Scale ?? (float)(1 / Math.Sqrt(spec.HeadDim)),
            Window = spec.Window ?? 0,
            SoftCap = spec.SoftCap ?? 0f,
            Alibi = spec.Positions is AlibiPositions,
        };
    }

    /// <inheritdoc/>
    public override void Run(StepState step, int cacheLayer, int worker)
    {
        int tokens = step.Batch.NumTokens;
        RowRange mine = step.RowsOf(worker, tokens);
        RowBuffer qkv = step.QueryKeyValue;
        StoreInput(step, _queryKeyValue, worker, mine);
        step.Team.Wait();
        step.Multiply(
            _queryKeyValue, worker, tokens, new LinearOutput(qkv.Floats, qkv.Stride, _queryKeyValue.OutFeatures));
        step.Team.Wait();
        RotateAndStore(step, cacheLayer, mine);
        if (worker == 0)
        {
            step.Attention.Rewind();
        }

        step.Team.Wait();
        step.Attention.Run(worker, cacheLayer, _rule, step.Batch, qkv.Floats, qkv.Stride, step.Attended.Floats);
        step.Team.Wait();
        step.Store(_output, step.Attended.Floats, _output.InFeatures, mine);
        step.Team.Wait();
        step.Multiply(_output, worker, tokens, Residual(step, _output));
        step.Team.Wait();
        NormSum(step, mine);
    }

    private void RotateAndStore(StepState step, int cacheLayer, RowRange mine)
    {
        ReadOnlySpan<int> positions = step.Batch.Positions;
        ReadOnlySpan<int> slots = step.Batch.SlotMapping;
        for (int row = mine.First; row < mine.End; row++)
        {
            float* queries = step.QueryKeyValue.Row(row);
            float* keys = queries + _spec.QueryWidth;
            if (_rotary is not null)
            {
                RowKernels.Rotate(
                    queries, _spec.NumHeads + _spec.NumKvHeads, _spec.HeadDim, _rotary.Cos(positions[row]),
                    _rotary.Sin(positions[row]));
            }

            step.Cache.Write(cacheLayer, slots[row], keys, keys + _spec.KeyWidth);
        }
    }
}
