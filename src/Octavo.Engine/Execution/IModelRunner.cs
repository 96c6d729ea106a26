namespace Octavo.Engine;

/// <summary>
/// Runs the model. It owns weights and key-value memory and knows blocks by their ids; who holds a block is the
/// engine's affair. Calls come one at a time.
/// </summary>
internal interface IModelRunner : IDisposable
{
    /// <summary>Logits a row.</summary>
    int VocabSize { get; }

    /// <summary>What layers keep; a batch has tables for each of these.</summary>
    IReadOnlyList<CacheGroup> CacheGroups { get; }

    /// <summary>Blocks in the key-value cache.</summary>
    int NumBlocks { get; }

    /// <summary>Tokens a block.</summary>
    int BlockSize { get; }

    /// <summary>The most tokens a batch may hold.</summary>
    int MaxNumBatchedTokens { get; }

    /// <summary>The threads that run the model, for work between two calls of <see cref="Run"/>.</summary>
    IWorkTeam Team { get; }

    /// <summary>What a step reads and computes.</summary>
    StepWork Work { get; }

    /// <summary>
    /// Computes every token of the batch. In each layer the keys and values of all its tokens are written before any
    /// are read, so sequences of one batch may share blocks that the batch itself fills.
    /// </summary>
    /// <param name="batch">What to compute.</param>
    /// <param name="logits">Receives float32 logits, <c>[batch.LogitsRows.Length, VocabSize]</c>.</param>
    void Run(StepBatch batch, Span<float> logits);
}
