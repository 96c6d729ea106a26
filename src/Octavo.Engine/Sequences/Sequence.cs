namespace Octavo.Engine.Sequences;

/// <summary>Where a sequence stands.</summary>
internal enum SequenceStatus
{
    Waiting,
    Running,
    Preempted,
    Finished,
}

/// <summary>
/// One sequence on its way: its tokens (prompt, then output), how many of them steps have had, and the blocks that hold
/// their keys and values. There is no prefill and no decode: <see cref="NumScheduledTokens"/> chases
/// <see cref="NumTokens"/>, and a token is sampled when it has caught up.
/// </summary>
internal class Sequence
{
    private readonly PromptHashes _promptHashes;
    private int[] _tokens;

    public Sequence(
        string id,
        ReadOnlySpan<int> promptTokenIds,
        int maxOutputTokens,
        int priority,
        long arrival,
        PromptHashes promptHashes)
    {
        (Id, Priority, Arrival, NumPromptTokens) = (id, priority, arrival, promptTokenIds.Length);
        Rank = priority;
        _tokens = new int[promptTokenIds.Length + Math.Min(maxOutputTokens, 256)];
        promptTokenIds.CopyTo(_tokens);
        NumTokens = NumAcceptedTokens = promptTokenIds.Length;
        _promptHashes = promptHashes;
    }

    public string Id { get; }

    /// <summary>Lower goes first.</summary>
    public int Priority { get; }

    /// <summary>Position in the order of arrival; unique.</summary>
    public long Arrival { get; }

    /// <summary>
    /// Its place in the order: lower goes first. Set before the scheduler has it, and fixed from then on.
    /// </summary>
    public double Rank { get; set; }

    /// <summary>When it came, in seconds on the clock that steps are planned by.</summary>
    public double ArrivalSeconds { get; init; }

    public SequenceStatus Status { get; set; }

    public int NumPromptTokens { get; }

    public int NumTokens { get; private set; }

    public int NumOutputTokens => NumTokens - NumPromptTokens;

    /// <summary>Tokens whose keys and values stand in its blocks once all planned steps have run.</summary>
    public int NumScheduledTokens { get; set; }

    /// <summary>
    /// Tokens that nothing will take back: the prompt from the beginning, output once a step that had it is over.
    /// Preemption takes blocks, not tokens, so this never falls.
    /// </summary>
    public int NumAcceptedTokens { get; set; }

    /// <summary>Prompt tokens that the prefix cache held when the request first ran.</summary>
    public int NumCachedTokens { get; set; }

    public int NumPreemptions { get; set; }

    /// <summary>Prompt tokens that steps have had, counting none twice.</summary>
    public int NumPromptTokensSeen { get; set; }

    /// <summary>Its blocks, by cache group; none before it is first admitted.</summary>
    public List<BlockTable> Tables { get; } = [];

    /// <summary>Hashes of the full blocks, as far as they were needed.</summary>
    public List<BlockHash> Hashes { get; } = [];

    /// <summary>Its prompt's tokens are scored, so that each needs a row of logits.</summary>
    public bool ScoresPrompt { get; init; }

    public bool SkipReadingPrefixCache { get; init; }

    /// <summary>
    /// One of several completions of one prompt; these share blocks even where prefix caching is off.
    /// </summary>
    public bool SharesPromptWithSiblings { get; init; }

    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, NumTokens);

    public ReadOnlySpan<int> OutputTokens => _tokens.AsSpan(NumPromptTokens, NumOutputTokens);

    public void Append(int token)
    {
        if (NumTokens == _tokens.Length)
        {
            Array.Resize(ref _tokens, NumTokens * 2);
        }

        _tokens[NumTokens++] = token;
    }

    /// <summary>Extends <see cref="Hashes"/> to so many full blocks.</summary>
    public void HashBlocks(int count, int blockSize)
    {
        for (int i = Hashes.Count; i < count; i++)
        {
            bool inPrompt = (i + 1) * blockSize <= NumPromptTokens;
            Hashes.Add(inPrompt
                ? _promptHashes.At(i, Tokens, blockSize)
                : (i == 0 ? _promptHashes.Root : Hashes[i - 1]).Next(Tokens.Slice(i * blockSize, blockSize)));
        }
    }

    /// <summary>The scheduler's order: rank, then arrival.</summary>
    public sealed class Order : IComparer<Sequence>
    {
        public static readonly Order Instance = new();

        public int Compare(Sequence? x, Sequence? y)
        {
            int byRank = x!.Rank.CompareTo(y!.Rank);
            return byRank != 0 ? byRank : x.Arrival.CompareTo(y.Arrival);
        }
    }
}
