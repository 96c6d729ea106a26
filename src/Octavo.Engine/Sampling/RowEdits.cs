using System.Runtime.CompilerServices;

namespace Octavo.Engine.Sampling;

/// <summary>Single logits of a row that were changed, and what they were.</summary>
internal sealed class RowEdits
{
    private int[] _ids = new int[64];
    private float[] _old = new float[64];
    private float[] _new = new float[64];
    private int _count;

    /// <summary>True where a logit that was changed was NaN or +∞.</summary>
    public bool HideNotFinite
    {
        get
        {
            foreach (float logit in _old.AsSpan(0, _count))
            {
                if (!(logit <= float.MaxValue))
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => _count = 0;

    /// <summary>Changes one.</summary>
    public void Set(Span<float> row, int token, float logit)
    {
        Reserve(1);
        (_ids[_count], _old[_count]) = (token, row[token]);
        _count++;
        row[token] = logit;
    }

    /// <summary>
    /// Takes the logits of some tokens out, to be changed together and then put back by <see cref="Put"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public Span<float> Take(ReadOnlySpan<float> row, ReadOnlySpan<int> tokens)
    {
        Reserve(tokens.Length);
        tokens.CopyTo(_ids.AsSpan(_count));
        Span<float> old = _old.AsSpan(_count, tokens.Length);
        for (int i = 0; i < tokens.Length; i++)
        {
            old[i] = row[tokens[i]];                       // nothing waits for one of them before the next is asked for
        }

        _count += tokens.Length;
        Span<float> changed = _new.AsSpan(0, tokens.Length);
        old.CopyTo(changed);
        return changed;
    }

    /// <summary>Puts back what was taken last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Put(Span<float> row, ReadOnlySpan<float> changed)
    {
        ReadOnlySpan<int> tokens = _ids.AsSpan(_count - changed.Length, changed.Length);
        for (int i = 0; i < tokens.Length; i++)
        {
            row[tokens[i]] = changed[i];
        }
    }

    /// <summary>Makes the row what it was.</summary>
    public void Undo(Span<float> row)
    {
        for (int i = _count - 1; i >= 0; i--)
        {
            row[_ids[i]] = _old[i];
        }

        _count = 0;
    }

    private void Reserve(int more)
    {
        if (_count + more > _ids.Length)
        {
            int length = Math.Max(_count + more, _ids.Length * 2);
            Array.Resize(ref _ids, length);
            Array.Resize(ref _old, length);
            Array.Resize(ref _new, length);
        }
    }
}
