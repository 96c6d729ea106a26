using Octavo.Cpu.Sublayers;
using Octavo.Cpu.Weights;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Quantization.Planning;

/// <summary>Compares the logits that two residual streams behind the last layer give.</summary>
internal sealed unsafe class StreamComparison : IDisposable
{
    private readonly int _vocabulary;
    private readonly LayerWalk _walk;
    private readonly Packed<Head> _head;

    public StreamComparison(DecoderSpec spec, Checkpoint checkpoint, LayerWalk walk)
    {
        (_vocabulary, _walk) = (spec.VocabSize, walk);
        _head = walk.PackHead(new CheckpointSource(checkpoint));
    }

    /// <summary>Compares streams <c>[ids][hidden]</c> of the same tokens.</summary>
    /// <returns>Sums over all tokens but the last: how much less likely the text became, and the divergences, in
    /// nats.</returns>
    public (double Loss, double Kl) Compare(ReadOnlySpan<int> ids, float* stream, float* reference)
    {
        float[] logits = _walk.Logits(_head, stream, ids.Length), expected = _walk.Logits(_head, reference, ids.Length);
        int[] next = ids[1..].ToArray();
        var parts = new (double Loss, double Kl)[next.Length];
        Parallel.For(0, next.Length, i =>
        {
            ReadOnlySpan<float> q = logits.AsSpan(i * _vocabulary, _vocabulary),
                p = expected.AsSpan(i * _vocabulary, _vocabulary);
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

    public void Dispose() => _head.Dispose();

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
}
