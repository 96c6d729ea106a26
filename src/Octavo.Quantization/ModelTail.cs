using Octavo.Cpu;
using Octavo.Cpu.Kernels;
using Octavo.Cpu.Linears;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Quantization;

/// <summary>What follows the last layer, and the comparison of two residual streams behind it.</summary>
internal sealed unsafe class ModelTail : IDisposable
{
    private readonly DecoderSpec _spec;
    private readonly NormWeights? _norm;
    private readonly Linear _head;
    private readonly NativeBuffer _normed;
    private readonly int _workers = Environment.ProcessorCount;

    public ModelTail(DecoderSpec spec, Checkpoint checkpoint, InstructionSet isa, int length)
    {
        if (spec.Tensors.ProjectOut is not null)
        {
            throw new QuantizationException("models whose output is projected cannot be gone through layer by layer yet");
        }

        _spec = spec;
        _norm = spec.Tensors.FinalNorm is null ? null : new NormWeights(checkpoint, spec.Tensors.FinalNorm);
        string head = spec.Tensors.OutputHead?.Weight ?? spec.Tensors.TokenEmbedding;
        _head = new Linear(new TensorMatrix(checkpoint.Get(head), null), LinearScheme.For(WeightFormat.Float32, isa), isa);
        _normed = NativeBuffer.OfFloats((long)length * spec.HiddenSize);
    }

    /// <summary>Compares streams <c>[ids][hidden]</c> of the same tokens.</summary>
    /// <returns>Sums over all tokens but the last: how much less likely the text became, and the divergences, in nats.</returns>
    public (double Loss, double Kl) Compare(ReadOnlySpan<int> ids, float* stream, float* reference)
    {
        float[] logits = Logits(stream, ids.Length), expected = Logits(reference, ids.Length);
        int[] next = ids[1..].ToArray();
        var parts = new (double Loss, double Kl)[next.Length];
        Parallel.For(0, next.Length, i =>
        {
            ReadOnlySpan<float> q = logits.AsSpan(i * _spec.VocabSize, _spec.VocabSize), p = expected.AsSpan(i * _spec.VocabSize, _spec.VocabSize);
            double logQ = LogSumExp(q), logP = LogSumExp(p), kl = 0;
            for (int v = 0; v < p.Length; v++)
            {
                float logProbability = (float)(p[v] - logP);
                kl += MathF.Exp(logProbability) * (logProbability - (q[v] - logQ));
            }

            parts[i] = (logQ - q[next[i]] - (logP - p[next[i]]), kl);
        });
        return (parts.Sum(s => s.Loss), parts.Sum(s => s.Kl));
    }

    public void Dispose()
    {
        _norm?.Dispose();
        _head.Dispose();
        _normed.Dispose();
    }

    private static double LogSumExp(ReadOnlySpan<float> logits)
    {
        float largest = float.NegativeInfinity;
        foreach (float logit in logits)
        {
            largest = Math.Max(largest, logit);
        }

        double sum = 0;
        foreach (float logit in logits)
        {
            sum += MathF.Exp(logit - largest);
        }

        return largest + Math.Log(sum);
    }

    private float[] Logits(float* stream, int rows)
    {
        float[] logits = new float[(long)rows * _spec.VocabSize];
        using var input = new ActivationBuffer(rows, [_head.Layout]);
        input.Begin(rows);
        for (int row = 0; row < rows; row++)
        {
            float* x = stream + ((long)row * _spec.HiddenSize);
            if (_norm is not null)
            {
                if (_spec.NormKind == NormKind.Rms)
                {
                    RowKernels.RmsNorm(x, _norm.Weight, _spec.NormEpsilon, _normed.Floats, _spec.HiddenSize);
                }
                else
                {
                    RowKernels.LayerNorm(x, _norm.Weight, _norm.Bias, _spec.NormEpsilon, _normed.Floats, _spec.HiddenSize);
                }

                x = _normed.Floats;
            }

            input.Store(_head.Layout, row, x);
        }

        fixed (float* y = logits)
        {
            float* output = y;
            Parallel.For(0, _workers, worker => _head.Run(worker, _workers, input, rows, new LinearOutput(output, _spec.VocabSize, _spec.VocabSize)));
        }

        return logits;
    }
}
