using Octavo.Cpu.Kernels;
using Octavo.Cpu.Linears;
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
    private readonly NativeBuffer _qkv;          // [tokens][(heads + 2 kvHeads) headDim]
    private readonly NativeBuffer _attended;     // [tokens][heads headDim]
    private readonly NativeBuffer _projected;    // [tokens][max(hidden, embedding)]: beside the layers
    private readonly NativeBuffer _activated;    // [tokens][intermediate]
    private readonly NativeBuffer[] _row;        // by worker, [hidden]: a row between its norm and its layer
    private readonly ActivationBuffer _input;    // what the next linear layer reads
    private readonly int _qkvWidth;
    private readonly int _hiddenStride;
    private readonly int _qkvStride;
    private readonly int _projectedStride;
    private readonly int _activatedStride;
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
        _hiddenStride = OddLines(spec.HiddenSize);
        _qkvStride = OddLines(_qkvWidth);
        _projectedStride = OddLines(Math.Max(spec.HiddenSize, spec.EmbeddingSize));
        _activatedStride = OddLines(spec.IntermediateSize);
        long tokens = options.MaxNumBatchedTokens;
        _hidden = NativeBuffer.OfFloats(tokens * _hiddenStride);
        _qkv = NativeBuffer.OfFloats(tokens * _qkvStride);
        _attended = NativeBuffer.OfFloats(tokens * spec.NumHeads * spec.HeadDim);
        _projected = NativeBuffer.OfFloats(tokens * _projectedStride);
        _activated = NativeBuffer.OfFloats(tokens * _activatedStride);
        _row = [.. Enumerable.Range(0, team.Count).Select(_ => NativeBuffer.OfFloats(spec.HiddenSize))];
        _input = new ActivationBuffer(options.MaxNumBatchedTokens, weights.Linears.Select(l => l.Layout));
    }

    /// <summary>Sets the step that the team is about to run.</summary>
    public void Begin(StepBatch batch, float* logits)
    {
        _batch = batch;
        _logits = logits;
        _input.Begin(batch.NumTokens);
    }

    public void Run(int worker)
    {
        int tokens = _batch.NumTokens;
        var mine = new RowRange(worker, _team.Count, tokens);
        Embed(worker, mine);
        for (int layer = 0; layer < _weights.Layers.Length; layer++)
        {
            LayerWeights w = _weights.Layers[layer];
            StoreNormed(w.AttentionNorm, w.QueryKeyValue, worker, mine);
            _team.Wait();
            Multiply(w.QueryKeyValue, worker, tokens, new LinearOutput(_qkv.Floats, _qkvStride, _qkvWidth));
            _team.Wait();
            RotateAndStore(layer, mine);
            if (worker == 0)
            {
                _attention.Rewind();
            }

            _team.Wait();
            _attention.Run(worker, layer, _batch, _qkv.Floats, _qkvStride, _attended.Floats);
            _team.Wait();
            Store(w.Output, _attended.Floats, w.Output.InFeatures, mine);
            _team.Wait();
            Multiply(w.Output, worker, tokens, Residual);
            _team.Wait();
            NormBehind(w.AttentionNorm, mine);
            StoreNormed(w.MlpNorm, w.GateUp, worker, mine);
            _team.Wait();
            Multiply(w.GateUp, worker, tokens, Activated);
            _team.Wait();
            Store(w.Down, _activated.Floats, _activatedStride, mine);
            _team.Wait();
            Multiply(w.Down, worker, tokens, Residual);
            _team.Wait();
            NormBehind(w.MlpNorm, mine);
        }

        _team.Wait();
        ComputeLogits(worker);
    }

    public void Dispose()
    {
        foreach (NativeBuffer buffer in (NativeBuffer[])[_hidden, _qkv, _attended, _projected, _activated, .. _row])
        {
            buffer.Dispose();
        }

        _input.Dispose();
        _rotary?.Dispose();
    }

    /// <summary>A sublayer's results are added to the residual stream.</summary>
    private LinearOutput Residual => new(_hidden.Floats, _hiddenStride, _spec.HiddenSize, OutputMode.Add);

    private LinearOutput Activated => new(
        _activated.Floats, _activatedStride, _spec.IntermediateSize, _spec.GatedMlp ? OutputMode.Gate : OutputMode.Activate, _spec.Activation);

    private float* Hidden(int row) => _hidden.Floats + ((long)row * _hiddenStride);

    private float* Projected(int row) => _projected.Floats + ((long)row * _projectedStride);

    private void Multiply(Linear linear, int worker, int rows, in LinearOutput output) =>
        linear.Run(worker, _team.Count, _input, rows, output);

    private void Store(Linear next, float* x, int stride, RowRange mine)
    {
        for (int row = mine.First; row < mine.End; row++)
        {
            _input.Store(next.Layout, row, x + ((long)row * stride));
        }
    }

    /// <summary>Writes a sublayer's input: the residual stream, normed where norms stand before the sublayers.</summary>
    private void StoreNormed(NormWeights norm, Linear next, int worker, RowRange mine)
    {
        for (int row = mine.First; row < mine.End; row++)
        {
            float* x = Hidden(row);
            if (_preNorm)
            {
                Norm(norm, x, _row[worker].Floats);
                x = _row[worker].Floats;
            }

            _input.Store(next.Layout, row, x);
        }
    }

    /// <summary>Norms the residual stream behind a sublayer, in models that do.</summary>
    private void NormBehind(NormWeights norm, RowRange mine)
    {
        for (int row = mine.First; !_preNorm && row < mine.End; row++)
        {
            Norm(norm, Hidden(row), Hidden(row));
        }
    }

    private void Embed(int worker, RowRange mine)
    {
        ReadOnlySpan<int> ids = _batch.TokenIds;
        Linear? projectIn = _weights.ProjectIn;
        for (int row = mine.First; row < mine.End; row++)
        {
            float* embedding = projectIn is null ? Hidden(row) : Projected(row);
            _weights.TokenEmbedding.ReadRow(ids[row], new Span<float>(embedding, _spec.EmbeddingSize));
            if (projectIn is not null)
            {
                _input.Store(projectIn.Layout, row, embedding);
            }
        }

        if (projectIn is not null)
        {
            _team.Wait();
            Multiply(projectIn, worker, _batch.NumTokens, new LinearOutput(_hidden.Floats, _hiddenStride, _spec.HiddenSize));
            _team.Wait();
        }

        if (_spec.Positions is LearnedPositions learned)
        {
            ReadOnlySpan<int> positions = _batch.Positions;
            float* position = _row[worker].Floats;
            for (int row = mine.First; row < mine.End; row++)
            {
                _weights.PositionEmbedding!.ReadRow(positions[row] + learned.Offset, new Span<float>(position, _spec.HiddenSize));
                RowKernels.Add(position, Hidden(row), _spec.HiddenSize);
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
            float* q = _qkv.Floats + ((long)row * _qkvStride);
            if (_rotary is not null)
            {
                RowKernels.Rotate(
                    q, _spec.NumHeads + _spec.NumKvHeads, _spec.HeadDim, _rotary.Cos(positions[row]), _rotary.Sin(positions[row]));
            }

            _cache.Write(layer, slots[row], q + queries, q + queries + keys);
        }
    }

    /// <summary>Norms the wanted rows, gathered one behind another, and multiplies them with the head.</summary>
    private void ComputeLogits(int worker)
    {
        ReadOnlySpan<int> wanted = _batch.LogitsRows;
        var mine = new RowRange(worker, _team.Count, wanted.Length);
        Linear next = _weights.ProjectOut ?? _weights.OutputHead;
        for (int i = mine.First; i < mine.End; i++)
        {
            float* x = Hidden(wanted[i]);
            if (_weights.FinalNorm is { } norm)
            {
                Norm(norm, x, _row[worker].Floats);
                x = _row[worker].Floats;
            }

            _input.Store(next.Layout, i, x);
        }

        _team.Wait();
        if (_weights.ProjectOut is { } projectOut)
        {
            Multiply(projectOut, worker, wanted.Length, new LinearOutput(_projected.Floats, _projectedStride, _spec.EmbeddingSize));
            _team.Wait();
            Store(_weights.OutputHead, _projected.Floats, _projectedStride, mine);
            _team.Wait();
        }

        Multiply(_weights.OutputHead, worker, wanted.Length, new LinearOutput(_logits, _spec.VocabSize, _spec.VocabSize));
    }

    /// <summary>
    /// A distance between rows that is an odd number of cache lines. A panel writes two lines of every row; rows that lie
    /// a multiple of 4 KiB apart would all want the same few places in the cache.
    /// </summary>
    private static int OddLines(int width) => (((width + 15) / 16) | 1) * 16;

    /// <summary>The rows that one worker takes where work is by row.</summary>
    private readonly struct RowRange(int worker, int workers, int rows)
    {
        public int First { get; } = (int)((long)rows * worker / workers);

        public int End { get; } = (int)((long)rows * (worker + 1) / workers);
    }
}
