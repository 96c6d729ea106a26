using Octavo.Cpu.Kernels;
using Octavo.Cpu.Threading;
using Octavo.Engine;
using Octavo.Models;

namespace Octavo.Cpu;

/// <summary>The forward pass of one step, as each member of the team runs it.</summary>
internal sealed unsafe class Forward : ITeamWork, IDisposable
{
    private readonly DecoderSpec _spec;
    private readonly DecoderWeights _weights;
    private readonly KvCache _cache;
    private readonly PagedAttention _attention;
    private readonly ThreadTeam _team;
    private readonly RotaryTable? _rotary;
    private readonly NativeBuffer _hidden;       // [tokens][hidden]: the residual stream
    private readonly NativeBuffer _normed;       // [tokens][hidden]: what a sublayer reads
    private readonly NativeBuffer _qkv;          // [tokens][(heads + 2 kvHeads) headDim]
    private readonly NativeBuffer _attended;     // [tokens][heads headDim]
    private readonly NativeBuffer _projected;    // [tokens][max(hidden, embedding)]: what a sublayer returns
    private readonly NativeBuffer _gateUp;       // [tokens][intermediate or twice it]
    private readonly NativeBuffer _activated;    // [tokens][intermediate]
    private readonly int _qkvWidth;
    private readonly int _gateUpWidth;
    private readonly int _projectedWidth;
    private readonly bool _preNorm;
    private StepBatch _batch = null!;
    private float* _logits;

    public Forward(
        DecoderSpec spec, DecoderWeights weights, KvCache cache, PagedAttention attention, ThreadTeam team, CpuRunnerOptions options)
    {
        (_spec, _weights, _cache, _attention, _team) = (spec, weights, cache, attention, team);
        _preNorm = spec.NormPlacement == NormPlacement.Pre;
        _rotary = spec.Positions is RotaryPositions rotary ? new RotaryTable(rotary, spec.HeadDim, options.MaxModelLen) : null;
        _qkvWidth = (spec.NumHeads + (2 * spec.NumKvHeads)) * spec.HeadDim;
        _gateUpWidth = spec.IntermediateSize * (spec.GatedMlp ? 2 : 1);
        _projectedWidth = Math.Max(spec.HiddenSize, spec.EmbeddingSize);
        long tokens = options.MaxNumBatchedTokens;
        _hidden = NativeBuffer.OfFloats(tokens * spec.HiddenSize);
        _normed = NativeBuffer.OfFloats(tokens * spec.HiddenSize);
        _qkv = NativeBuffer.OfFloats(tokens * _qkvWidth);
        _attended = NativeBuffer.OfFloats(tokens * spec.NumHeads * spec.HeadDim);
        _projected = NativeBuffer.OfFloats(tokens * _projectedWidth);
        _gateUp = NativeBuffer.OfFloats(tokens * _gateUpWidth);
        _activated = NativeBuffer.OfFloats(tokens * spec.IntermediateSize);
    }

    /// <summary>Sets the step that the team is about to run.</summary>
    public void Begin(StepBatch batch, float* logits)
    {
        _batch = batch;
        _logits = logits;
    }

    public void Run(int worker)
    {
        int tokens = _batch.NumTokens;
        var mine = new RowRange(worker, _team.Count, tokens);
        Embed(worker, mine);
        for (int layer = 0; layer < _weights.Layers.Length; layer++)
        {
            LayerWeights w = _weights.Layers[layer];
            NormForSublayer(w.AttentionNorm, mine);
            _team.Wait();
            Multiply(w.QueryKeyValue, worker, SublayerInput, _spec.HiddenSize, tokens, _qkv.Floats, _qkvWidth);
            _team.Wait();
            RotateAndStore(layer, mine);
            if (worker == 0)
            {
                _attention.Rewind();
            }

            _team.Wait();
            _attention.Run(worker, layer, _batch, _qkv.Floats, _qkvWidth, _attended.Floats);
            _team.Wait();
            Multiply(w.Output, worker, _attended.Floats, _spec.NumHeads * _spec.HeadDim, tokens, _projected.Floats, _projectedWidth);
            _team.Wait();
            AddSublayer(w.AttentionNorm, mine);
            NormForSublayer(w.MlpNorm, mine);
            _team.Wait();
            Multiply(w.GateUp, worker, SublayerInput, _spec.HiddenSize, tokens, _gateUp.Floats, _gateUpWidth);
            _team.Wait();
            Activate(mine);
            _team.Wait();
            Multiply(w.Down, worker, _activated.Floats, _spec.IntermediateSize, tokens, _projected.Floats, _projectedWidth);
            _team.Wait();
            AddSublayer(w.MlpNorm, mine);
        }

        _team.Wait();
        ComputeLogits(worker);
    }

    public void Dispose()
    {
        foreach (NativeBuffer buffer in (NativeBuffer[])[_hidden, _normed, _qkv, _attended, _projected, _gateUp, _activated])
        {
            buffer.Dispose();
        }

        _rotary?.Dispose();
    }

    private float* SublayerInput => _preNorm ? _normed.Floats : _hidden.Floats;

    private float* Hidden(int row) => _hidden.Floats + ((long)row * _spec.HiddenSize);

    private float* Normed(int row) => _normed.Floats + ((long)row * _spec.HiddenSize);

    private float* Projected(int row) => _projected.Floats + ((long)row * _projectedWidth);

    private void Multiply(Linear linear, int worker, float* x, int strideX, int rows, float* y, int strideY) =>
        linear.Run(worker, _team.Count, x, strideX, rows, y, strideY);

    private void Embed(int worker, RowRange mine)
    {
        ReadOnlySpan<int> ids = _batch.TokenIds;
        bool projects = _weights.ProjectIn is not null;
        for (int row = mine.First; row < mine.End; row++)
        {
            _weights.TokenEmbedding.ReadRow(ids[row], new Span<float>(projects ? Projected(row) : Hidden(row), _spec.EmbeddingSize));
        }

        if (projects)
        {
            _team.Wait();
            Multiply(_weights.ProjectIn!, worker, _projected.Floats, _projectedWidth, _batch.NumTokens, _hidden.Floats, _spec.HiddenSize);
            _team.Wait();
        }

        if (_spec.Positions is LearnedPositions learned)
        {
            ReadOnlySpan<int> positions = _batch.Positions;
            for (int row = mine.First; row < mine.End; row++)
            {
                _weights.PositionEmbedding!.ReadRow(positions[row] + learned.Offset, new Span<float>(Normed(row), _spec.HiddenSize));
                RowKernels.Add(Normed(row), Hidden(row), _spec.HiddenSize);
            }
        }
    }

    private void NormForSublayer(NormWeights norm, RowRange mine)
    {
        for (int row = mine.First; _preNorm && row < mine.End; row++)
        {
            Norm(norm, Hidden(row), Normed(row));
        }
    }

    private void AddSublayer(NormWeights norm, RowRange mine)
    {
        for (int row = mine.First; row < mine.End; row++)
        {
            RowKernels.Add(Projected(row), Hidden(row), _spec.HiddenSize);
            if (!_preNorm)
            {
                Norm(norm, Hidden(row), Hidden(row));
            }
        }
    }

    private void Norm(NormWeights norm, float* x, float* y)
    {
        if (_spec.NormKind == NormKind.Rms)
        {
            RowKernels.RmsNorm(x, norm.Weight, _spec.NormEpsilon, y, _spec.HiddenSize);
        }
        else
        {
            RowKernels.LayerNorm(x, norm.Weight, norm.Bias, _spec.NormEpsilon, y, _spec.HiddenSize);
        }
    }

    private void RotateAndStore(int layer, RowRange mine)
    {
        int queries = _spec.NumHeads * _spec.HeadDim;
        int keys = _spec.NumKvHeads * _spec.HeadDim;
        ReadOnlySpan<int> positions = _batch.Positions;
        ReadOnlySpan<int> slots = _batch.SlotMapping;
        for (int row = mine.First; row < mine.End; row++)
        {
            float* q = _qkv.Floats + ((long)row * _qkvWidth);
            if (_rotary is not null)
            {
                RowKernels.Rotate(
                    q, _spec.NumHeads + _spec.NumKvHeads, _spec.HeadDim, _rotary.Cos(positions[row]), _rotary.Sin(positions[row]));
            }

            _cache.Write(layer, slots[row], q + queries, q + queries + keys);
        }
    }

    private void Activate(RowRange mine)
    {
        int width = _spec.IntermediateSize;
        for (int row = mine.First; row < mine.End; row++)
        {
            float* gateUp = _gateUp.Floats + ((long)row * _gateUpWidth);
            float* gate = _spec.GatedMlp ? gateUp : null;
            float* up = _spec.GatedMlp ? gateUp + width : gateUp;
            RowKernels.Activate(_spec.Activation, gate, up, _activated.Floats + ((long)row * width), width);
        }
    }

    /// <summary>Norms the wanted rows, gathered one behind another, and multiplies them with the head.</summary>
    private void ComputeLogits(int worker)
    {
        ReadOnlySpan<int> wanted = _batch.LogitsRows;
        var mine = new RowRange(worker, _team.Count, wanted.Length);
        for (int i = mine.First; i < mine.End; i++)
        {
            if (_weights.FinalNorm is { } norm)
            {
                Norm(norm, Hidden(wanted[i]), Normed(i));
            }
            else
            {
                new ReadOnlySpan<float>(Hidden(wanted[i]), _spec.HiddenSize).CopyTo(new Span<float>(Normed(i), _spec.HiddenSize));
            }
        }

        _team.Wait();
        float* x = _normed.Floats;
        int stride = _spec.HiddenSize;
        if (_weights.ProjectOut is { } projectOut)
        {
            Multiply(projectOut, worker, x, stride, wanted.Length, _projected.Floats, _projectedWidth);
            _team.Wait();
            x = _projected.Floats;
            stride = _projectedWidth;
        }

        Multiply(_weights.OutputHead, worker, x, stride, wanted.Length, _logits, _spec.VocabSize);
    }

    /// <summary>The rows that one worker takes where work is by row.</summary>
    private readonly struct RowRange(int worker, int workers, int rows)
    {
        public int First { get; } = (int)((long)rows * worker / workers);

        public int End { get; } = (int)((long)rows * (worker + 1) / workers);
    }
}
