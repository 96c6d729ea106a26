using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Octavo.Engine.Sampling;

/// <summary>The distinct tokens of one completion whose logits penalties change.</summary>
internal sealed class PenalizedTokens
{
    private readonly SamplingParams _parameters;
    private readonly List<int> _tokens = [];
    private readonly List<float> _penalties = [];          // frequency and presence; 0 for the prompt's
    private readonly List<int> _counts = [];               // times in the output
    private readonly Dictionary<int, int> _indices = [];   // token -> its index in the lists

    public PenalizedTokens(SamplingRules rules)
    {
        _parameters = rules.Parameters;
        foreach (int token in rules.PromptTokens)
        {
            Add(token);
        }
    }

    /// <summary>Notes a token of the output.</summary>
    public void Observe(int token)
    {
        int index = _indices.TryGetValue(token, out int known) ? known : Add(token);
        int count = ++_counts[index];
        _penalties[index] = (_parameters.FrequencyPenalty * count) + _parameters.PresencePenalty;
    }

    /// <summary>Lowers the tokens' logits. All are read before any is changed, so that they come from memory together.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Apply(Span<float> logits, RowEdits edits)
    {
        Span<float> changed = edits.Take(logits, CollectionsMarshal.AsSpan(_tokens));
        Span<float> penalties = CollectionsMarshal.AsSpan(_penalties);
        float repetition = _parameters.RepetitionPenalty;
        int vectors = changed.Length / Vector<float>.Count * Vector<float>.Count;
        var factor = new Vector<float>(repetition);
        for (int i = 0; i < vectors; i += Vector<float>.Count)
        {
            var x = new Vector<float>(changed[i..]);
            x = Vector.ConditionalSelect(Vector.GreaterThan(x, Vector<float>.Zero), x / factor, x * factor);
            (x - new Vector<float>(penalties[i..])).CopyTo(changed[i..]);
        }

        for (int i = vectors; i < changed.Length; i++)
        {
            float x = changed[i];
            changed[i] = (x > 0 ? x / repetition : x * repetition) - penalties[i];
        }

        edits.Put(logits, changed);
    }

    private int Add(int token)
    {
        _indices.Add(token, _tokens.Count);
        _tokens.Add(token);
        _penalties.Add(0);
        _counts.Add(0);
        return _tokens.Count - 1;
    }
}
