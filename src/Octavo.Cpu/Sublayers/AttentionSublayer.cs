using Octavo.Cpu.Attention;
using Octavo.Cpu.Linears;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Simd;
using Octavo.Cpu.Weights;
using Octavo.Engine;
using Octavo.Models;

namespace Octavo.Cpu.Sublayers;

/// <summary>What the attentions of a decoder share.</summary>
internal sealed class AttentionWorkspace(IReadOnlyList<AttentionSpec> parts) : Workspace
{
    private readonly int _queryKeyValue = parts.Max(part => part.QueryWidth + (2 * part.KeyWidth));
    private readonly int _attended = parts.Max(part => part.QueryWidth);

    public PagedAttention Attention { get; private set; } = null!;

    public RotaryTables Rotary { get; private set; } = null!;

    /// <summary>Queries, keys and values.</summary>
    public RowBuffer QueryKeyValue { get; private set; } = null!;

    /// <summary>What attention gives, <c>[tokens][heads · headDim]</c>.</summary>
    public NativeBuffer Attended { get; private set; } = null!;

    /// <inheritdoc/>
    public override long FloatsPerToken => (long)_queryKeyValue + _attended;

    /// <inheritdoc/>
    public override void Reserve(StepState step)
    {
        Attention = step.Own(new PagedAttention(
            parts[0].NumHeads, step.Cache, step.InstructionSet, step.Team.Count, step.MaxModelLen, step.MaxTokens));
        Rotary = step.Own(new RotaryTables(step.MaxModelLen));
        QueryKeyValue = step.Own(new RowBuffer(step.MaxTokens, _queryKeyValue));
        Attended = step.Own(NativeBuffer.OfFloats((long)step.MaxTokens * _attended));
    }

    /// <inheritdoc/>
    public override void Begin(StepBatch batch) => Attention.Prepare(batch);
}

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
        AttentionWorkspace work = step.Workspace<AttentionWorkspace>();
        RowBuffer qkv = work.QueryKeyValue;
        StoreInput(step, _queryKeyValue, worker, mine);
        step.Team.Wait();
        step.Multiply(
            _queryKeyValue, worker, tokens, new LinearOutput(qkv.Floats, qkv.Stride, _queryKeyValue.OutFeatures));
        step.Team.Wait();
        RotateAndStore(step, qkv, cacheLayer, mine);
        if (worker == 0)
        {
            work.Attention.Rewind();
        }

        step.Team.Wait();
        work.Attention.Run(worker, cacheLayer, _rule, step.Batch, qkv.Floats, qkv.Stride, work.Attended.Floats);
        step.Team.Wait();
        step.Store(_output, work.Attended.Floats, _output.InFeatures, mine);
        step.Team.Wait();
        step.Multiply(_output, worker, tokens, Residual(step, _output));
        step.Team.Wait();
        NormSum(step, mine);
    }

    private void RotateAndStore(StepState step, RowBuffer qkv, int cacheLayer, RowRange mine)
    {
        ReadOnlySpan<int> positions = step.Batch.Positions;
        ReadOnlySpan<int> slots = step.Batch.SlotMapping;
        for (int row = mine.First; row < mine.End; row++)
        {
            float* queries = qkv.Row(row);
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
