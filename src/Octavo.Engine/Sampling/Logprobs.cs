namespace Octavo.Engine.Sampling;

/// <summary>Log-probabilities from a row of raw logits.</summary>
internal static class Logprobs
{
    /// <summary>
    /// Those of one token, and of the <paramref name="top"/> most likely (−1: all) or, where there are any, of exactly
    /// the named ones instead, each once and in the order in which they were named.
    /// </summary>
    public static PositionLogprobs At(ReadOnlySpan<float> logits, int token, int top, IReadOnlyList<int>? named)
    {
        float normalizer = Normalizer(logits);
        if (named is { Count: > 0 })
        {
            var exactly = new List<TokenLogprob>(named.Count);
            foreach (int id in named.Distinct())
            {
                exactly.Add(Of(logits, id, normalizer));
            }

            return new PositionLogprobs(Of(logits, token, normalizer), exactly);
        }

        int count = top < 0 ? logits.Length : Math.Min(top, logits.Length);
        var entries = new List<TokenLogprob>(count);
        int rank = 1;
        foreach (int candidate in MostLikely(logits, count))
        {
            entries.Add(new TokenLogprob(candidate, logits[candidate] - normalizer, rank++));
        }

        return new PositionLogprobs(Of(logits, token, normalizer), entries);
    }

    /// <summary>Those of the named tokens.</summary>
    public static float[] Of(ReadOnlySpan<float> logits, IReadOnlyList<int> tokens)
    {
        float normalizer = Normalizer(logits);
        var result = new float[tokens.Count];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = logits[tokens[i]] - normalizer;
        }

        return result;
    }

    private static float Normalizer(ReadOnlySpan<float> logits)
    {
        float max = VectorMath.Max(logits);
        return max + (float)Math.Log(VectorMath.SumExp(logits, max));
    }

    private static TokenLogprob Of(ReadOnlySpan<float> logits, int token, float normalizer) =>
        new(token, logits[token] - normalizer, VectorMath.CountAtLeast(logits, logits[token]));

    private static int[] MostLikely(ReadOnlySpan<float> logits, int count)
    {
        if (count == 0)
        {
            return [];
        }

        // A heap of the best so far, its worst on top; ties go to the lower id.
        var best = new PriorityQueue<int, (float Logit, int MinusId)>(count);
        for (int i = 0; i < logits.Length; i++)
        {
            var key = (logits[i], -i);
            if (best.Count < count)
            {
                best.Enqueue(i, key);
            }
            else if (best.TryPeek(out _, out var worst) && key.CompareTo(worst) > 0)
            {
                best.DequeueEnqueue(i, key);
            }
        }

        var result = new int[best.Count];
        for (int i = result.Length - 1; i >= 0; i--)
        {
            result[i] = best.Dequeue();
        }

        return result;
    }
}
