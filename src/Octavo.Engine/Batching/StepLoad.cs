using Octavo.Engine.Scheduling;
using Octavo.Engine.Sequences;

namespace Octavo.Engine.Batching;

/// <summary>
/// What a step has to do, in the quantities that its time depends on (docs/batching.md says why these).
/// </summary>
/// <param name="Tokens">Tokens computed, each a row of every matrix product.</param>
/// <param name="LogitsRows">Rows that pass through the output head and are sampled from.</param>
/// <param name="KvTokens">Cached tokens that decoding sequences read, one sequence after the other.</param>
/// <param name="PrefillPairs">Pairs of a query and a key that chunks of more than one token attend to.</param>
internal readonly record struct StepLoad(int Tokens, int LogitsRows, long KvTokens, double PrefillPairs)
{
    /// <summary>The load of a plan.</summary>
    public static StepLoad Of<T>(StepPlan<T> plan)
        where T : Sequence
    {
        int rows = 0;
        long read = 0;
        double pairs = 0;
        foreach (ScheduledSequence<T> s in plan.Sequences)
        {
            rows += s.ReachesEnd ? 1 : 0;
            if (s.NumTokens == 1)
            {
                read += s.Start + 1;
            }
            else
            {
                pairs += Pairs(s.Start, s.NumTokens);
            }
        }

        return new StepLoad(plan.NumTokens, rows + plan.NumScoredTokens, read, pairs);
    }

    /// <summary>A step that decodes so many sequences, which have so many tokens behind them in all.</summary>
    public static StepLoad Decode(int sequences, long contextTokens) => new(sequences, sequences, contextTokens, 0);

    /// <summary>
    /// The same step with a chunk of a prompt beside it; the chunk's last token is taken to be sampled from.
    /// </summary>
    public StepLoad WithPrefill(int tokens, int start) => tokens <= 0
        ? this
        : this with
        {
            Tokens = Tokens + tokens,
            LogitsRows = LogitsRows + 1,
            PrefillPairs = PrefillPairs + Pairs(start, tokens),
        };

    private static double Pairs(double start, double tokens) => tokens * (start + ((tokens + 1) / 2));
}
