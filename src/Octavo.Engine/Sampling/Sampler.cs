using System.Numerics;
using System.Runtime.CompilerServices;

namespace Octavo.Engine.Sampling;

/// <summary>
/// Draws a token from a row of logits. The draw depends on the row, the request's parameters, its seed and the token's
/// position alone: not on the batch, the thread or the processor. Not thread-safe: it owns scratch space for one row.
/// </summary>
internal sealed class Sampler(int vocabSize)
{
    private readonly CutSearch _search = new(vocabSize);
    private readonly Logprobs _logprobs = new(vocabSize);
    private readonly RowEdits _edits = new();
    private readonly float[] _last = new float[RowBlocks.Size];
    private readonly float[] _weights = new float[RowBlocks.Size];
    private float[] _allowed = [];

    /// <summary>Draws the next token.</summary>
    /// <param name="state">Whose; it takes note of the token.</param>
    /// <param name="output">The tokens made so far.</param>
    /// <param name="logits">The row, hooks applied; single logits are changed.</param>
    /// <param name="computed">The row as the model computed it, where hooks may have changed it; else empty.</param>
    /// <param name="position">The position of the token that the row follows.</param>
    /// <param name="logprobs">Receives the log-probabilities, where they are wanted.</param>
    /// <exception cref="ModelOutputException">The logits are not finite.</exception>
    /// <exception cref="InvalidRequestException">The request's restrictions leave nothing to draw.</exception>
    public int Sample(
        SamplingState state,
        ReadOnlySpan<int> output,
        Span<float> logits,
        ReadOnlySpan<float> computed,
        int position,
        out PositionLogprobs? logprobs)
    {
        SamplingParams p = state.Rules.Parameters;
        if (p.WantsLogprobs)
        {
            _logprobs.Begin(computed.IsEmpty ? logits : computed, position);
        }

        int token = Forced(state, output.Length, logits, position) ?? Draw(state, output, logits, position);
        _edits.Undo(logits);
        logprobs = p.WantsLogprobs
            ? _logprobs.At(computed.IsEmpty ? logits : computed, token, p.Logprobs ?? 0, p.LogprobTokenIds)
            : null;
        state.Observe(token);
        return token;
    }

    /// <summary>Looks at a row whose log-probabilities are wanted; they are there until the next row.</summary>
    /// <exception cref="ModelOutputException">The logits are not finite.</exception>
    public Logprobs LookAt(ReadOnlySpan<float> logits, int position)
    {
        _logprobs.Begin(logits, position);
        return _logprobs;
    }

    /// <summary>Looks at a row before hooks change it.</summary>
    /// <exception cref="ModelOutputException">The logits are not finite.</exception>
    public void RequireFinite(ReadOnlySpan<float> logits, int position)
    {
        _search.Scan.Run(new RowBlocks(logits, _last));
        ModelOutputException.ThrowUnlessFinite(_search.Scan.Max, position);
    }

    /// <summary>What a token would be drawn from: the tokens that are kept, by id, and what they weigh.</summary>
    /// <exception cref="ModelOutputException">The logits are not finite.</exception>
    /// <exception cref="InvalidRequestException">The request's restrictions leave nothing to draw.</exception>
    public IReadOnlyList<(int Token, float Weight)> Distribution(
        SamplingState state, ReadOnlySpan<int> output, Span<float> logits, int position)
    {
        RowBlocks row = Prepare(state, output, logits, position);
        _search.Find(row, state.Rules.Parameters);
        var kept = new List<(int Token, float Weight)>();
        for (int b = 0; b < row.Count; b++)
        {
            if (_search.Masses[b] > 0)
            {
                Walk(row, b, double.PositiveInfinity, kept);
            }
        }

        _edits.Undo(logits);
        return state.Rules.Allowed is { } allowed ? [.. kept.Select(k => (allowed[k.Token], k.Weight))] : kept;
    }

    private int? Forced(SamplingState state, int length, ReadOnlySpan<float> logits, int position)
    {
        int? token = state.Rules.Parameters.TraceDecodeTokenIds is { } trace && length < trace.Count
            ? trace[length]
            : state.ForcedByThinking;
        if (token is not null && !state.Rules.Parameters.WantsLogprobs && state.Processors.Count == 0)
        {
            RequireFinite(logits, position);
        }

        return token;
    }

    private int Draw(SamplingState state, ReadOnlySpan<int> output, Span<float> logits, int position)
    {
        RowBlocks row = Prepare(state, output, logits, position);
        int index;
        if (state.Rules.Parameters.IsGreedy)
        {
            index = _search.Scan.IndexOfMax(row);
        }
        else
        {
            _search.Find(row, state.Rules.Parameters);
            index = Pick(row, Philox.Uniform(state.Seed, state.Completion, output.Length));
        }

        return state.Rules.Allowed is { } allowed ? allowed[index] : index;
    }

    /// <summary>Changes what restrictions and penalties change, and looks at what is left to draw from.</summary>
    private RowBlocks Prepare(SamplingState state, ReadOnlySpan<int> output, Span<float> logits, int position)
    {
        _edits.Clear();
        state.Restrict(output, logits, _edits);
        state.Penalize(logits, _edits);
        ReadOnlySpan<float> left = logits;
        if (state.Rules.Allowed is { } allowed)
        {
            RequireComputed(state, logits, position);
            left = Gather(allowed, logits);
        }

        var row = new RowBlocks(left, _last);
        if (!_search.TryScan(row, state.Rules.Parameters) || _edits.HideNotFinite)
        {
            float max = _search.Scan.Max;
            _edits.Undo(logits);
            RequireComputed(state, logits, position);
            throw NothingToDraw(max);
        }

        return row;
    }

    // What the model computed was finite before hooks, and no request is to blame for a hook.
    private void RequireComputed(SamplingState state, ReadOnlySpan<float> logits, int position)
    {
        _search.Scan.Run(new RowBlocks(logits, _last));
        if (state.Processors.Count == 0)
        {
            ModelOutputException.ThrowUnlessFinite(_search.Scan.Max, position);
        }
        else if (_search.Scan.Max is float.NaN or float.PositiveInfinity)
        {
            throw new ModelOutputException("a logits processor made logits that are not finite");
        }
    }

    private ReadOnlySpan<float> Gather(int[] allowed, ReadOnlySpan<float> logits)
    {
        if (_allowed.Length < allowed.Length)
        {
            _allowed = new float[allowed.Length];
        }

        for (int i = 0; i < allowed.Length; i++)
        {
            _allowed[i] = logits[allowed[i]];
        }

        return _allowed.AsSpan(0, allowed.Length);
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

    /// <summary>
    /// Inverse of the distribution function over what is kept, by id: first the block, then the token.
    /// </summary>
    private int Pick(RowBlocks row, double uniform)
    {
        ReadOnlySpan<double> masses = _search.Masses[..row.Count];
        double whole = 0;
        foreach (double mass in masses)
        {
            whole += mass;
        }

        double target = uniform * whole;
        int block = 0;
        while (block < masses.Length - 1 && target >= masses[block])
        {
            target -= masses[block++];
        }

        // Sums that round differently may leave the target behind the last block: then it is the last that has a token.
        int token = -1;
        while (token < 0)
        {
            token = masses[block] > 0 ? Walk(row, block, target, null) : -1;
            block--;
        }

        return token;
    }

    /// <summary>
    /// Goes through a block's kept tokens, by id, until their weights pass a target; the last one where they do not.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Walk(RowBlocks row, int block, double target, List<(int Token, float Weight)>? kept)
    {
        ReadOnlySpan<float> logits = row[block];
        RowKernels.Weigh(logits, RowBlocks.Size, _search.Softmax, _weights);
        int first = block * RowBlocks.Size;
        int last = -1;
        for (int i = 0; i < RowBlocks.Size; i += RowKernels.Lanes)
        {
            ulong bits = RowKernels.KeptBits(logits, i, first + i, _search.Cut);
            for (; bits != 0; bits &= bits - 1)
            {
                int at = i + BitOperations.TrailingZeroCount(bits);
                last = first + at;
                kept?.Add((last, _weights[at]));
                target -= _weights[at];
                if (target < 0)
                {
                    return last;
                }
            }
        }

        return last;
    }
}
