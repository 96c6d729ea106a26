namespace Octavo;

/// <summary>
/// A token's natural-log probability under the model (before temperature and penalties) and its rank from 1.
/// </summary>
public readonly record struct TokenLogprob(int TokenId, float Logprob, int Rank);

/// <summary>The log-probabilities at one position.</summary>
/// <param name="Token">The token that stands there.</param>
/// <param name="Top">The most likely tokens, most likely first, then any that were asked for by id.</param>
public sealed record PositionLogprobs(TokenLogprob Token, IReadOnlyList<TokenLogprob> Top);

/// <summary>
/// Log-probabilities of many positions in four arrays: the entries of position <c>i</c> are
/// <c>StartIndices[i] … EndIndices[i] − 1</c>, the token that stands there first.
/// </summary>
public sealed class FlatLogprobs
{
    internal FlatLogprobs(IReadOnlyList<PositionLogprobs> positions)
    {
        int total = positions.Sum(p => 1 + p.Top.Count);
        (StartIndices, EndIndices) = (new int[positions.Count], new int[positions.Count]);
        (TokenIds, Logprobs, Ranks) = (new int[total], new float[total], new int[total]);
        int next = 0;
        for (int i = 0; i < positions.Count; i++)
        {
            StartIndices[i] = next;
            Put(positions[i].Token);
            foreach (TokenLogprob entry in positions[i].Top)
            {
                Put(entry);
            }

            EndIndices[i] = next;
        }

        void Put(TokenLogprob entry) =>
            (TokenIds[next], Logprobs[next], Ranks[next++]) = (entry.TokenId, entry.Logprob, entry.Rank);
    }

    /// <summary>Where each position's entries begin.</summary>
    public int[] StartIndices { get; }

    /// <summary>Where each position's entries end (exclusive).</summary>
    public int[] EndIndices { get; }

    /// <summary>The tokens.</summary>
    public int[] TokenIds { get; }

    /// <summary>Their log-probabilities.</summary>
    public float[] Logprobs { get; }

    /// <summary>Their ranks, from 1.</summary>
    public int[] Ranks { get; }
}
