using System.Numerics;
using Octavo.Cpu;
using Octavo.Cpu.Kernels;
using Octavo.Cpu.Linears;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Quantization;

/// <summary>Which of a layer's matrices; those that share an input are one.</summary>
internal enum LinearRole
{
    QueryKeyValue,
    Output,
    GateUp,
    Down,
}

/// <summary>Looks at what a layer's matrices are given, <c>[rows][width]</c>.</summary>
internal unsafe delegate void InputTap(LinearRole role, float* input, int rows, int width);

/// <summary>
/// Runs one decoder layer over whole sequences, so that a model can be gone through layer by layer with only one layer's
/// weights at hand. Attention is dense and float32; matrices are the same as the runner's.
/// </summary>
internal sealed unsafe class LayerPass : IDisposable
{
    private readonly DecoderSpec _spec;
    private readonly RotaryTable? _rotary;
    private readonly NativeBuffer _normed;
    private readonly NativeBuffer _qkv;
    private readonly NativeBuffer _attended;
    private readonly NativeBuffer _activated;
    private readonly int _qkvWidth;
    private readonly int _workers = Environment.ProcessorCount;

    /// <summary>Prepares for sequences of so many tokens at most.</summary>
    public LayerPass(DecoderSpec spec, int length)
    {
        if (spec.Positions is AlibiPositions)
        {
            throw new QuantizationException("models with ALiBi positions cannot be gone through layer by layer yet");
        }

        _spec = spec;
        _rotary = spec.Positions is RotaryPositions rotary ? new RotaryTable(rotary, spec.HeadDim, length) : null;
        _qkvWidth = (spec.NumHeads + (2 * spec.NumKvHeads)) * spec.HeadDim;
        _normed = NativeBuffer.OfFloats((long)length * spec.HiddenSize);
        _qkv = NativeBuffer.OfFloats((long)length * _qkvWidth);
        _attended = NativeBuffer.OfFloats((long)length * spec.NumHeads * spec.HeadDim);
        _activated = NativeBuffer.OfFloats((long)length * spec.IntermediateSize);
    }

    /// <summary>Writes the residual stream that a sequence begins with, <c>[tokens][hidden]</c>.</summary>
    public static void Embed(DecoderSpec spec, Checkpoint checkpoint, ReadOnlySpan<int> ids, float* hidden)
    {
        DecoderTensors t = spec.Tensors;
        if (t.ProjectIn is not null)
        {
            throw new QuantizationException("models whose embedding is projected cannot be gone through layer by layer yet");
        }

        var embedding = new TensorMatrix(checkpoint.Get(t.TokenEmbedding), null);
        TensorMatrix? table = t.PositionEmbedding is null ? null : new TensorMatrix(checkpoint.Get(t.PositionEmbedding), null);
        float[] position = new float[spec.HiddenSize];
        for (int i = 0; i < ids.Length; i++)
        {
            float* row = hidden + ((long)i * spec.HiddenSize);
            embedding.ReadRow(ids[i], new Span<float>(row, spec.HiddenSize));
            if (table is not null)
            {
                table.ReadRow(i + ((LearnedPositions)spec.Positions).Offset, position);
                fixed (float* p = position)
                {
                    RowKernels.Add(p, row, spec.HiddenSize);
                }
            }
        }
    }

    /// <summary>Takes a sequence through a layer, in place.</summary>
    /// <param name="w">The layer.</param>
    /// <param name="hidden">The residual stream, <c>[tokens][hidden]</c>.</param>
    /// <param name="tokens">Tokens.</param>
    /// <param name="tap">Sees the inputs of the matrices.</param>
    public void Run(LayerWeights w, float* hidden, int tokens, InputTap? tap = null)
    {
        bool before = _spec.NormPlacement == NormPlacement.Pre;
        float* x = before ? Norm(w.AttentionNorm, hidden, _normed.Floats, tokens) : hidden;
        Multiply(LinearRole.QueryKeyValue, w.QueryKeyValue, x, tokens, new LinearOutput(_qkv.Floats, _qkvWidth, _qkvWidth), tap);
        Attend(tokens);
        var residual = new LinearOutput(hidden, _spec.HiddenSize, _spec.HiddenSize, OutputMode.Add);
        Multiply(LinearRole.Output, w.Output, _attended.Floats, tokens, residual, tap);
        x = before ? Norm(w.MlpNorm, hidden, _normed.Floats, tokens) : Norm(w.AttentionNorm, hidden, hidden, tokens);
        OutputMode mode = _spec.GatedMlp ? OutputMode.Gate : OutputMode.Activate;
        Multiply(
            LinearRole.GateUp, w.GateUp, x, tokens, new LinearOutput(_activated.Floats, _spec.IntermediateSize, _spec.IntermediateSize, mode, _spec.Activation), tap);
        Multiply(LinearRole.Down, w.Down, _activated.Floats, tokens, residual, tap);
        if (!before)
        {
            Norm(w.MlpNorm, hidden, hidden, tokens);
        }
    }

    public void Dispose()
    {
        _rotary?.Dispose();
        foreach (NativeBuffer buffer in (NativeBuffer[])[_normed, _qkv, _attended, _activated])
        {
            buffer.Dispose();
        }
    }

    private float* Norm(NormWeights norm, float* x, float* y, int tokens)
    {
        for (int row = 0; row < tokens; row++)
        {
            long at = (long)row * _spec.HiddenSize;
            if (_spec.NormKind == NormKind.Rms)
            {
                RowKernels.RmsNorm(x + at, norm.Weight, _spec.NormEpsilon, y + at, _spec.HiddenSize);
            }
            else
            {
                RowKernels.LayerNorm(x + at, norm.Weight, norm.Bias, _spec.NormEpsilon, y + at, _spec.HiddenSize);
            }
        }

        return y;
    }

    private void Multiply(LinearRole role, Linear linear, float* x, int tokens, LinearOutput output, InputTap? tap)
    {
        tap?.Invoke(role, x, tokens, linear.InFeatures);
        using var input = new ActivationBuffer(tokens, [linear.Layout]);
        input.Begin(tokens);
        for (int row = 0; row < tokens; row++)
        {
            input.Store(linear.Layout, row, x + ((long)row * linear.InFeatures));
        }

        Parallel.For(0, _workers, worker => linear.Run(worker, _workers, input, tokens, output));
    }

    private void Attend(int tokens)
    {
        int headDim = _spec.HeadDim;
        int shared = _spec.NumHeads / _spec.NumKvHeads;
        int keys = _spec.NumHeads * headDim;
        int values = keys + (_spec.NumKvHeads * headDim);
        float scale = 1f / MathF.Sqrt(headDim);
        if (_rotary is not null)
        {
            for (int row = 0; row < tokens; row++)
            {
                RowKernels.Rotate(
                    _qkv.Floats + ((long)row * _qkvWidth), _spec.NumHeads + _spec.NumKvHeads, headDim, _rotary.Cos(row), _rotary.Sin(row));
            }
        }

        Parallel.For(0, _spec.NumHeads, head =>
        {
            float[] scores = new float[tokens];
            float* k = _qkv.Floats + keys + (head / shared * headDim);
            float* v = _qkv.Floats + values + (head / shared * headDim);
            for (int row = 0; row < tokens; row++)
            {
                float* q = _qkv.Floats + ((long)row * _qkvWidth) + (head * headDim);
                float* y = _attended.Floats + ((long)row * keys) + (head * headDim);
                AttendRow(q, k, v, y, scores.AsSpan(0, row + 1), scale);
            }
        });
    }

    private void AttendRow(float* q, float* keys, float* values, float* y, Span<float> scores, float scale)
    {
        int headDim = _spec.HeadDim;
        float largest = float.NegativeInfinity;
        for (int j = 0; j < scores.Length; j++)
        {
            scores[j] = Dot(q, keys + ((long)j * _qkvWidth), headDim) * scale;
            largest = Math.Max(largest, scores[j]);
        }

        float sum = 0;
        new Span<float>(y, headDim).Clear();
        for (int j = 0; j < scores.Length; j++)
        {
            float weight = MathF.Exp(scores[j] - largest);
            sum += weight;
            AddScaled(values + ((long)j * _qkvWidth), weight, y, headDim);
        }

        for (int i = 0; i < headDim; i++)
        {
            y[i] /= sum;
        }
    }

    private static float Dot(float* a, float* b, int count)
    {
        Vector<float> lanes = default;
        int i = 0;
        for (; i <= count - Vector<float>.Count; i += Vector<float>.Count)
        {
            lanes += Vector.Load(a + i) * Vector.Load(b + i);
        }

        float sum = Vector.Sum(lanes);
        for (; i < count; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }

    private static void AddScaled(float* x, float factor, float* y, int count)
    {
        int i = 0;
        for (; i <= count - Vector<float>.Count; i += Vector<float>.Count)
        {
            (Vector.Load(y + i) + (Vector.Load(x + i) * factor)).Store(y + i);
        }

        for (; i < count; i++)
        {
            y[i] += x[i] * factor;
        }
    }
}
