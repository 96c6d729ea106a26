using Octavo.Engine;
using Octavo.Engine.Sampling;

namespace Octavo.Lab.Measuring;

/// <summary>Draws a token from each of some rows, as the engine does after a step.</summary>
/// <param name="team">Shares the rows.</param>
/// <param name="vocabSize">Elements of a row.</param>
/// <param name="parameters">How tokens are drawn.</param>
internal sealed class RowDrawing(IWorkTeam team, int vocabSize, SamplingParams parameters)
{
    /// <summary>Distinct tokens that a text has, where penalties look at them.</summary>
    public const int DistinctTokens = 1000;

    private readonly Sampler[] _samplers = [.. Enumerable.Range(0, team.Members).Select(_ => new Sampler(vocabSize))];
    private readonly List<SamplingState> _states = [];
    private Memory<float> _rows;

    /// <summary>Makes room for the states of so many rows.</summary>
    public void Prepare(int rows)
    {
        var rules = new SamplingRules(parameters, [], [], tokenizer: null);
        while (_states.Count < rows)
        {
            var state = new SamplingState(rules, _states.Count, completion: 0, []);
            for (int i = 0; i < DistinctTokens; i++)
            {
                state.Observe((int)((i * 104_729L) % vocabSize));
            }

            _states.Add(state);
        }
    }

    /// <summary>Draws a token from each row, one row by the caller, more by the team.</summary>
    /// <param name="rows">Logits, <c>[rows, vocabSize]</c>; they are what they were afterwards.</param>
    public void Draw(Memory<float> rows)
    {
        int count = rows.Length / vocabSize;
        Prepare(count);
        _rows = rows;
        (count == 1 ? CallerOnly.Instance : team).For(count, DrawOne);
    }

    private void DrawOne(int row, int member) => _samplers[member].Sample(
        _states[row], [], _rows.Span.Slice(row * vocabSize, vocabSize), [], position: 0, out _);
}
