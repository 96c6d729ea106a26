using System.Runtime.CompilerServices;

namespace Octavo.Engine.Sampling;

/// <summary>Some tokens of a row, by id, with their logits and weights.</summary>
internal sealed class TokenList
{
    private int[] _ids = new int[1024];
    private float[] _logits = new float[1024];
    private float[] _weights = new float[1024];

    /// <summary>Tokens.</summary>
    public int Count { get; private set; }

    /// <summary>Their ids, ascending.</summary>
    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, Count);

    /// <summary>Their logits.</summary>
    public ReadOnlySpan<float> Logits => _logits.AsSpan(0, Count);

    /// <summary>Their weights, after <see cref="Weigh"/>.</summary>
    public ReadOnlySpan<float> Weights => _weights.AsSpan(0, Count);

    /// <summary>Empties the list.</summary>
    public void Clear() => Count = 0;

    /// <summary>Makes room behind the tokens, for <see cref="Append"/>.</summary>
    /// <param name="more">So many tokens.</param>
    /// <param name="ids">Where their ids go.</param>
    /// <param name="logits">Where their logits go.</param>
    public void Reserve(int more, out Span<int> ids, out Span<float> logits)
    {
        if (Count + more > _ids.Length)
        {
            int length = RowKernels.Padded(Math.Max(Count + more, _ids.Length * 2));
            Array.Resize(ref _ids, length);
            Array.Resize(ref _logits, length);
            Array.Resize(ref _weights, length);
        }

        ids = _ids.AsSpan(Count);
        logits = _logits.AsSpan(Count);
    }

    /// <summary>Takes so many tokens of what was written behind the list.</summary>
    public void Append(int more) => Count += more;

    /// <summary>Leaves only so many of the tokens of exactly a logit that were appended last.</summary>
    /// <param name="first">Where what was appended begins.</param>
    /// <param name="logit">The logit.</param>
    /// <param name="ties">So many are wanted; what is left of them.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void LimitTies(int first, float logit, ref int ties)
    {
        int kept = first;
        for (int i = first; i < Count; i++)
        {
            if (_logits[i] != logit || ties-- > 0)
            {
                (_ids[kept], _logits[kept]) = (_ids[i], _logits[i]);
                kept++;
            }
        }

        ties = Math.Max(ties, 0);
        Count = kept;
    }

    /// <summary>Leaves only what a cut keeps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Keep(Cut cut)
    {
        int kept = 0;
        for (int i = 0; i < Count; i++)
        {
            // Nobody could foretell a branch here: tokens stand by id.
            (int id, float logit) = (_ids[i], _logits[i]);
            (_ids[kept], _logits[kept], _weights[kept]) = (id, logit, _weights[i]);
            kept += cut.Ones(logit, id);
        }

        Count = kept;
    }

    /// <summary>Weighs all tokens, and returns the sum of their weights.</summary>
    public double Weigh(Softmax softmax)
    {
        RowKernels.Weigh(_logits, Count, softmax, _weights);
        return RowKernels.Sum(Weights);
    }
}
