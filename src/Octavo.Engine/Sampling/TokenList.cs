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

    /// <summary>Appends a token.</summary>
    public void Add(int id, float logit)
    {
        if (Count == _ids.Length)
        {
            Array.Resize(ref _ids, Count * 2);
            Array.Resize(ref _logits, Count * 2);
            Array.Resize(ref _weights, Count * 2);
        }

        (_ids[Count], _logits[Count]) = (id, logit);
        Count++;
    }

    /// <summary>Appends logits without ids, a whole number of vectors of them.</summary>
    public void Add(ReadOnlySpan<float> logits)
    {
        foreach (float logit in logits)
        {
            Add(-1, logit);
        }
    }

    /// <summary>Leaves only what a cut keeps.</summary>
    public void Keep(Cut cut)
    {
        int kept = 0;
        for (int i = 0; i < Count; i++)
        {
            if (cut.Keeps(_logits[i], _ids[i]))
            {
                (_ids[kept], _logits[kept], _weights[kept]) = (_ids[i], _logits[i], _weights[i]);
                kept++;
            }
        }

        Count = kept;
    }

    /// <summary>Weighs all tokens, and returns the sum of their weights.</summary>
    public double Weigh(Softmax softmax)
    {
        RowKernels.Weigh(_logits, Count, softmax, _weights);
        double sum = 0;
        foreach (float weight in Weights)
        {
            sum += weight;
        }

        return sum;
    }
}
