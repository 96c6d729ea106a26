namespace Octavo.Engine.Batching;

/// <summary>
/// A first idea of how long steps take, from what they read and compute (<see cref="StepWork"/>) and from the time of
/// one or two small ones, so that the model knows this machine's scale before the first request. It writes into the
/// cache's first blocks; that is harmless while nobody has published one.
/// </summary>
/// <remarks>
/// A step takes about as long as two things that overlap: reading the weights, <c>r</c>, and multiplying <c>n</c> rows
/// with them, <c>n · c</c>; in between the root of the sum of squares is within a fifth of what we measured. One token
/// gives <c>r</c>, a chunk gives <c>c</c>. Keys and values are read as fast as weights, pairs of a prompt multiplied
/// half as fast.
/// </remarks>
internal static class StepProbe
{
    private const int Chunk = 32;
    private const int MostRuns = 4;                  // of each; the first ones find cold code and cold caches
    private const double OrdinaryKnee = 12;          // rows that take as long to multiply as weights take to read
    private const double MostKnee = 64;
    private const double PairSpeed = 0.5;
    private const int FewRows = 8;

    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(40);      // no further step begins after it

    /// <summary>Runs it.</summary>
    /// <param name="runner">A runner that serves nobody yet.</param>
    /// <param name="model">Learns from it.</param>
    /// <param name="maxModelLen">The longest sequence.</param>
    /// <param name="time">The clock.</param>
    public static void Run(IModelRunner runner, StepTimeModel model, int maxModelLen, TimeProvider time)
    {
        long began = time.GetTimestamp();
        int capacity = runner.NumBlocks / runner.CacheGroups.Count * runner.BlockSize;
        int rows = new[] { Chunk, runner.MaxNumBatchedTokens, maxModelLen, capacity }.Min();
        float[] logits = new float[runner.VocabSize];
        double one = Best(1) ?? Once(1);
        model.SetPrior(Guess(runner.Work, one, rows > 1 ? Best(rows) : null, rows), guessed: true);

        double? Best(int tokens)
        {
            double? best = null;
            for (int i = 0; i < MostRuns && time.GetElapsedTime(began) < Limit; i++)
            {
                best = Math.Min(best ?? double.PositiveInfinity, Once(tokens));
            }

            return best;
        }

        double Once(int tokens)
        {
            StepBatch batch = Batch(runner, tokens);
            long started = time.GetTimestamp();
            runner.Run(batch, logits);
            return time.GetElapsedTime(started).TotalSeconds;
        }
    }

    /// <summary>The step-time model's coefficients, guessed.</summary>
    /// <param name="work">What a step reads and computes.</param>
    /// <param name="one">Seconds of a step of one token.</param>
    /// <param name="chunk">Seconds of one of <paramref name="rows"/> tokens; null where nobody knows.</param>
    /// <param name="rows">Tokens of the chunk.</param>
    internal static double[] Guess(in StepWork work, double one, double? chunk, int rows)
    {
        double row = one / OrdinaryKnee;
        if (chunk is { } seconds)
        {
            row = Math.Max(one / MostKnee, Math.Sqrt(Math.Max(0, (seconds * seconds) - (one * one))) / rows);
        }

        double few = (Step(FewRows) - one) / (FewRows - 1);
        double some = (Step(Chunk) - Step(FewRows)) / (Chunk - FewRows);
        double perWeight = row / Math.Max(1, work.LayerWeights);
        return
        [
            Math.Max(0, one - few), few, some, row,
            work.HeadWeights * perWeight,
            1024.0 * work.KvBytesPerToken / Math.Max(1, work.WeightBytes) * one,
            65536.0 * work.WorkPerPair * perWeight / PairSpeed,
        ];

        double Step(int n) => Math.Max(one, Math.Sqrt((one * one) + (n * row * n * row)));
    }

    private static StepBatch Batch(IModelRunner runner, int tokens)
    {
        int blocksOfEach = (tokens + runner.BlockSize - 1) / runner.BlockSize;
        int[] blocks = [.. Enumerable.Range(0, blocksOfEach * runner.CacheGroups.Count)];
        int[] ids = [.. Enumerable.Range(0, tokens).Select(i => (int)(i * 7919L % runner.VocabSize))];
        var batch = new StepBatch(runner);
        batch.AddSequence(ids, 0, blocks, numLogitsRows: 1);
        return batch;
    }
}
