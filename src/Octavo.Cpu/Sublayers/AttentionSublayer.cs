using Octavo.Cpu.Attention;
using Octavo.Cpu.Linears;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Simd;
using Octavo.Cpu.Threading;
using Octavo.Cpu.Weights;
using Octavo.Engine;
using Octavo.Models;

namespace Octavo.Cpu.Sublayers;

/// <summary>What the attentions of a decoder share.</summary>
internal sealed class AttentionWorkspace(IReadOnlyList<AttentionSpec> parts) : Workspace
{
    private readonly int _queryKeyValue = parts.Max(part => part.QueryWidth + (2 * part.KeyWidth));
    private readonly int _attended = parts.Max(part => part.QueryWidth);
    private readonly Dictionary<(int Heads, int KvHeads, int HeadDim), PagedAttention> _attentions = [];

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
        foreach (AttentionSpec shape in parts.DistinctBy(part => part.Shape))
        {
            _attentions.Add(shape.Shape, step.Own(new PagedAttention(
                shape, step.Cache, step.InstructionSet, step.Team.Count, step.MaxModelLen, step.MaxTokens)));
        }

        Rotary = step.Own(new RotaryTables(step.MaxModelLen));
        QueryKeyValue = step.Own(new RowBuffer(step.MaxTokens, _queryKeyValue));
        Attended = step.Own(NativeBuffer.OfFloats((long)step.MaxTokens * _attended));
    }

    /// <inheritdoc/>
    public override void Begin(StepBatch batch)
    {
        foreach (PagedAttention attention in _attentions.Values)
        {
            attention.Prepare(batch);
        }
    }

    /// <summary>What computes attention of a layer's heads.</summary>
    public PagedAttention For(AttentionSpec part) => _attentions[part.Shape];
}

/// <summary>Causal self-attention over the paged cache.</summary>
internal sealed unsafe class AttentionSublayer : Sublayer
{
    private readonly AttentionSpec _spec;
    private readonly Linear _queryKeyValue;
    private readonly Linear _output;
    private readonly NormWeights? _queryNorm;
    private readonly NormWeights? _keyNorm;
    private readonly NormWeights? _valueNorm;
    private readonly NativeBuffer? _sinks;
    private readonly RotaryTable? _rotary;
    private readonly AttentionRule _rule;

    public AttentionSublayer(AttentionSpec spec, WeightStore weights, RotaryTables rotary)
        : base(spec, weights)
    {
        _spec = spec;
        _queryKeyValue = Linear(LinearRole.QueryKeyValue);
        _output = Linear(LinearRole.AttentionOutput);
        (_queryNorm, _keyNorm, _valueNorm) =
            (weights.Load(spec.QueryNorm), weights.Load(spec.KeyNorm), weights.Load(spec.ValueNorm));
        _sinks = spec.Sinks is { } sinks ? weights.Load(new VectorSpec(sinks, spec.NumHeads)) : null;
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
    public override void Run(StepState step, int cacheLayer, TeamMember member)
    {
        int tokens = step.Batch.NumTokens;
        AttentionWorkspace work = step.Workspace<AttentionWorkspace>();
        RowBuffer qkv = work.QueryKeyValue;
        StoreInput(step, _queryKeyValue, member);
        step.Multiply(
            member, _queryKeyValue, tokens, new LinearOutput(qkv.Floats, qkv.Stride, _queryKeyValue.OutFeatures));
        step.ForRows(member, tokens, new KeyValueRows(this, step, qkv, cacheLayer));
        work.For(_spec).Run(
            member, cacheLayer, _rule, step.Batch, qkv.Floats, qkv.Stride, work.Attended.Floats,
            _sinks is null ? null : _sinks.Floats);
        step.Store(member, _output, work.Attended.Floats, _output.InFeatures, tokens);
        AddResult(step, _output, member);
    }

    /// <summary>
    /// Of the decoder's attentions, the one whose keys and values it reads; null where it has its own.
    /// </summary>
    public int? CacheOf => _spec.CacheOf;

    /// <summary>The shape of its heads.</summary>
    public (int Heads, int KvHeads, int HeadDim) Shape => _spec.Shape;

    private bool HasKeys => _spec.CacheOf is null;

    private void RotateAndStore(StepState step, RowBuffer qkv, int cacheLayer, int row)
    {
        float* queries = qkv.Row(row);
        float* keys = queries + _spec.QueryWidth;
        float* values = keys + _spec.KeyWidth;
        if (_spec.Clip is { } clip)
        {
            RowKernels.Clip(queries, clip, _queryKeyValue.OutFeatures);
        }

        if (_spec.Value is null && HasKeys)
        {
            new ReadOnlySpan<float>(keys, _spec.KeyWidth).CopyTo(new Span<float>(values, _spec.KeyWidth));
        }

        int position = step.Batch.Positions[row];
        if (!_spec.NormsAfterRotation)
        {
            NormHeads(queries, keys);
        }

        if (_rotary is not null)
        {
            Rotate(queries, position);
        }

        if (_spec.NormsAfterRotation)
        {
            NormHeads(queries, keys);
        }

        if (_spec.Temperature is { } temperature)
        {
            RowKernels.Scale(queries, temperature.At(position), _spec.QueryWidth);
        }

        if (HasKeys)
        {
            NormHeads(_valueNorm, values, _spec.KeyWidth);
            int slot = step.Batch.SlotMapping(step.Cache.Layer(cacheLayer).CacheGroup)[row];
            step.Cache.Write(cacheLayer, slot, keys, values);
        }
    }

    // Keys stand behind the queries.
    private void Rotate(float* heads, int position)
    {
        var rotary = (RotaryPositions)_spec.Positions!;
        int numHeads = _spec.NumHeads + (HasKeys ? _spec.NumKvHeads : 0);
        int dims = rotary.RotatedOf(_spec.HeadDim);
        float* cos = _rotary!.Cos(position), sin = _rotary.Sin(position);
        if (rotary.Interleaved)
        {
            RowKernels.RotateNeighbours(heads, numHeads, _spec.HeadDim, dims, cos, sin);
        }
        else
        {
            RowKernels.RotateHalves(heads, numHeads, _spec.HeadDim, dims, cos, sin);
        }
    }

    private void NormHeads(float* queries, float* keys)
    {
        NormHeads(_queryNorm, queries, _spec.QueryWidth);
        NormHeads(_keyNorm, keys, _spec.KeyWidth);
    }

    /// <summary>Norms heads one by one, or all together.</summary>
    private static void NormHeads(NormWeights? norm, float* heads, int width)
    {
        if (norm is null)
        {
            return;
        }

        NormSpec spec = norm.Spec;
        for (int head = 0; head < width / spec.Width; head++)
        {
            float* x = heads + ((long)head * spec.Width);
            Norm(norm, x, x, head % spec.Heads);
        }
    }

    private readonly struct KeyValueRows(AttentionSublayer layer, StepState step, RowBuffer qkv, int cacheLayer) : IRows
    {
        public void Run(int row, TeamMember member) => layer.RotateAndStore(step, qkv, cacheLayer, row);
    }
}
