namespace Octavo.Engine;

/// <summary>A runner for an engine that does not own it.</summary>
internal sealed class LentRunner(IModelRunner runner) : IModelRunner
{
    public int VocabSize => runner.VocabSize;

    public IReadOnlyList<CacheGroup> CacheGroups => runner.CacheGroups;

    public int NumBlocks => runner.NumBlocks;

    public int BlockSize => runner.BlockSize;

    public int MaxNumBatchedTokens => runner.MaxNumBatchedTokens;

    public IWorkTeam Team => runner.Team;

    public StepWork Work => runner.Work;

    public void Run(StepBatch batch, Span<float> logits) => runner.Run(batch, logits);

    public void Dispose()
    {
    }
}
