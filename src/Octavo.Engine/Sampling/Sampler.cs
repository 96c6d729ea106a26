namespace Octavo.Engine.Sampling;

/// <summary>
/// Draws a token from a row of logits. The draw depends on the row, the request's parameters, its seed and the token's
/// position alone: not on the batch. Not thread-safe: it owns scratch space for one row.
/// </summary>
internal sealed class Sampler(int vocabSize)
{
    private const float LeastTemperature = 1e-2f;
    private const int PickBlock = 256;

    private readonly float[] _raw = new float[vocabSize];
    private readonly float[] _weights = new float[vocabSize];
    private readonly int[] _candidates = new int[vocabSize];

    /// <summary>Draws the next token; <paramref name="logits"/> is overwritten.</summary>
    public int Sample(SamplingState state, ReadOnlySpan<int> output, Span<float> logits, out PositionLogprobs? logprobs)
    {
        SamplingParams p = state.Rules.Parameters;
        if (p.WantsLogprobs)
        {
            logits.CopyTo(_raw);
        }

        int token = Forced(state, output.Length) ?? Draw(state, output, logits);
        logprobs = p.WantsLogprobs ? Logprobs.At(_raw, token, p.Logprobs ?? 0, p.LogprobTokenIds) : null;
        state.Observe(token);
        return token;
    }

    private static int? Forced(SamplingState state, int position) =>
        state.Rules.Parameters.TraceDecodeTokenIds is { } trace && position < trace.Count
            ? trace[position]
            : state.ForcedByThinking;

    private int Draw(SamplingState state, ReadOnlySpan<int> output, Span<float> logits)
    {
        SamplingParams p = state.Rules.Parameters;
        Restrict(state, output, logits);
        RequireHooksFinite(state, logits);
        state.Penalize(logits);
        float max = VectorMath.Max(logits);
        if (!float.IsFinite(max))
        {
            throw NothingToDraw(max);
        }

        if (p.IsGreedy)
        {
            return logits.IndexOf(max);
        }

        VectorMath.ExpScaled(logits, max, 1 / Math.Max(p.Temperature, LeastTemperature), _weights);
        double uniform = Philox.Uniform(state.Seed, state.Completion, output.Length);
        bool all = p.TopK <= 0 && p.TopP >= 1 && p.MinP <= 0;
        return all ? PickFromAll(uniform) : PickFromBest(p, uniform);
    }

    private static Exception NothingToDraw(float max)
    {
        ParameterName allowed = SamplingParams.Named(nameof(SamplingParams.AllowedTokenIds));
        ParameterName words = SamplingParams.Named(nameof(SamplingParams.BadWords));
        ParameterName bias = SamplingParams.Named(nameof(SamplingParams.LogitBias));
        ParameterName least = SamplingParams.Named(nameof(SamplingParams.MinTokens));
        ParameterName penalty = SamplingParams.Named(nameof(SamplingParams.RepetitionPenalty));
        return float.IsNegativeInfinity(max)
            ? new InvalidRequestException(
                allowed.Name,
                $"no token may be drawn: {allowed}, {words}, {bias} and {least} together forbid all of them")
            : new InvalidRequestException(
                penalty.Name, $"the logits are not finite ({max}) after penalties; use a milder {penalty}");
    }

    // What the model computed was finite, and no request is to blame for a hook.
    private static void RequireHooksFinite(SamplingState state, ReadOnlySpan<float> logits)
    {
        if (state.Processors.Count > 0 && VectorMath.Max(logits) is float.NaN or float.PositiveInfinity)
        {
            throw new ModelOutputException("a logits processor made logits that are not finite");
        }
    }

    private static void Restrict(SamplingState state, ReadOnlySpan<int> output, Span<float> logits)
    {
        foreach (LogitsProcessor process in state.Processors)
        {
            process(output, logits);
        }

        if (state.Rules.Allowed is { } allowed)
        {
            for (int i = 0; i < logits.Length; i++)
            {
                if (!allowed.Contains(i))
                {
                    logits[i] = float.NegativeInfinity;
                }
            }
        }

        foreach (int[] word in state.Rules.BadWords)
        {
            if (output.EndsWith(word.AsSpan(0, word.Length - 1)))
            {
                logits[word[^1]] = float.NegativeInfinity;
            }
        }

        if (output.Length < state.Rules.Parameters.MinTokens)
        {
            foreach (int token in state.Rules.EndTokenIds)
            {
                logits[token] = float.NegativeInfinity;
            }
        }

        if (state.Rules.Parameters.LogitBias is { } biases)
        {
            foreach ((int token, float bias) in biases)
            {
                logits[token] += bias;
            }
        }
    }

    /// <summary>Inverse of the distribution function, in the vocabulary's order.</summary>
    private int PickFromAll(double uniform)
    {
        double target = uniform * Sum(_weights);
        double passed = 0;
        for (int start = 0; start < _weights.Length; start += PickBlock)
        {
            ReadOnlySpan<float> block = _weights.AsSpan(start, Math.Min(PickBlock, _weights.Length - start));
            double sum = SumBlock(block);
            if (passed + sum > target)
            {
                for (int i = 0; i < block.Length; i++)
                {
                    passed += block[i];
                    if (passed > target)
                    {
                        return start + i;
                    }
                }

                // The block's sum and its running sum round differently: the target fell between them.
                return start + block.LastIndexOfAnyExcept(0f);
            }

            passed += sum;
        }

        return _weights.AsSpan().LastIndexOfAnyExcept(0f);
    }

    /// <summary>The same over the tokens that min-p, top-k and top-p leave, most likely first.</summary>
    private int PickFromBest(SamplingParams p, double uniform)
    {
        int count = CollectCandidates(p);
        Span<int> candidates = _candidates.AsSpan(0, count);
        float[] weights = _weights;
        candidates.Sort((x, y) =>
        {
            int byWeight = weights[y].CompareTo(weights[x]);
            return byWeight != 0 ? byWeight : x.CompareTo(y);
        });
        if (p.TopK > 0 && p.TopK < count)
        {
            candidates = candidates[..p.TopK];
        }

        double sum = 0;
        foreach (int token in candidates)
        {
            sum += weights[token];
        }

        if (p.TopP < 1)
        {
            // Top-p counts what top-k and min-p left as the whole; without them the whole vocabulary is.
            double whole = p.TopK > 0 || p.MinP > 0 ? sum : Sum(weights);
            double kept = 0;
            int n = 0;
            while (n < candidates.Length && kept < p.TopP * whole)
            {
                kept += weights[candidates[n++]];
            }

            candidates = candidates[..Math.Max(n, 1)];
            sum = kept;
        }

        double target = uniform * sum;
        double passed = 0;
        foreach (int token in candidates)
        {
            passed += weights[token];
            if (passed > target)
            {
                return token;
            }
        }

        return candidates[^1];
    }

    // Only tokens that can survive are sorted. Weights are relative to the greatest (1): min-p is a plain threshold; of
    // a set of V tokens those below (1 − p)/V of the sum cannot add up to more than the 1 − p that top-p leaves out.
    private int CollectCandidates(SamplingParams p)
    {
        float threshold = Math.Max(p.MinP, float.Epsilon);
        if (p.TopP < 1 && p.TopK <= 0 && p.MinP <= 0)
        {
            threshold = Math.Max(threshold, (float)((1 - p.TopP) * Sum(_weights) / _weights.Length * 0.999));
        }

        if (p.TopK > 0 && p.TopK < _weights.Length)
        {
            threshold = Math.Max(threshold, KthGreatest(p.TopK));
        }

        int count = 0;
        for (int i = 0; i < _weights.Length; i++)
        {
            if (_weights[i] >= threshold)
            {
                _candidates[count++] = i;
            }
        }

        return count;
    }

    private float KthGreatest(int k)
    {
        var best = new PriorityQueue<float, float>(k);
        foreach (float weight in _weights)
        {
            if (best.Count < k)
            {
                best.Enqueue(weight, weight);
            }
            else if (weight > best.Peek())
            {
                best.DequeueEnqueue(weight, weight);
            }
        }

        return best.Peek();
    }

    private static double Sum(ReadOnlySpan<float> weights)
    {
        double sum = 0;
        for (int start = 0; start < weights.Length; start += PickBlock)
        {
            sum += SumBlock(weights.Slice(start, Math.Min(PickBlock, weights.Length - start)));
        }

        return sum;
    }

    private static double SumBlock(ReadOnlySpan<float> block)
    {
        double a = 0, b = 0, c = 0, d = 0;
        int i = 0;
        for (; i <= block.Length - 4; i += 4)
        {
            a += block[i];
            b += block[i + 1];
            c += block[i + 2];
            d += block[i + 3];
        }

        for (; i < block.Length; i++)
        {
            a += block[i];
        }

        return a + b + (c + d);
    }
}
