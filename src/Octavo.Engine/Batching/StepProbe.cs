namespace Octavo.Engine.Batching;

/// <summary>
/// Times a few steps before the first request, so that the model knows this machine's scale from the start. It writes
/// into the cache's blocks; that is harmless while nobody has published one.
/// </summary>
internal static class StepProbe
{
    private const int Chunk = 128;
    private const int MostSequences = 64;
    // Sequences whose keys are computed first: memory that nobody wrote reads too fast.
    private const int WithContext = 4;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);      // no further step begins after it

    /// <summary>Runs the probe.</summary>
    /// <param name="runner">A runner that serves nobody yet.</param>
    /// <param name="model">Learns from it.</param>
    /// <param name="maxModelLen">The longest sequence.</param>
    /// <param name="maxNumSeqs">The most sequences in a step.</param>
    /// <param name="time">The clock.</param>
    public static void Run(IModelRunner runner, StepTimeModel model, int maxModelLen, int maxNumSeqs, TimeProvider time)
    {
        int chunk = Math.Min(Chunk, Math.Min(runner.MaxNumBatchedTokens, (maxModelLen - 1) / 2));
        int blocks = ((2 * chunk) + runner.BlockSize) / runner.BlockSize;
        int most = new[] { MostSequences, maxNumSeqs, runner.NumBlocks / blocks, runner.MaxNumBatchedTokens }.Min();
        if (chunk < 1 || most < 1)
        {
            return;                         // too small a cache to learn from; the first requests will teach
        }

        var batch = new StepBatch(runner.BlockSize);
        float[] logits = GC.AllocateUninitializedArray<float>(most * runner.VocabSize, pinned: true);
        List<(StepLoad Load, double Seconds)> steps = [];
        long began = time.GetTimestamp();
        foreach ((int first, int sequences, int start, int tokens, bool counts) in Steps(chunk, most))
        {
            if (steps.Count > 0 && time.GetElapsedTime(began) > Limit)
            {
                break;
            }

            Fill(batch, runner, most, first, sequences, start, tokens);
            long started = time.GetTimestamp();
            runner.Run(batch, logits.AsSpan(0, sequences * runner.VocabSize));
            double seconds = time.GetElapsedTime(started).TotalSeconds;
            if (counts)
            {
                StepLoad load = tokens == 1
                    ? StepLoad.Decode(sequences, (long)sequences * (start + 1))
                    : default(StepLoad).WithPrefill(tokens, start);
                steps.Add((load, seconds));
            }
        }

        model.Fit(steps);
        model.SetPrior();
    }

    private static IEnumerable<(int First, int Sequences, int Start, int Tokens, bool Counts)> Steps(
        int chunk, int most)
    {
        // The first runs find cold code and cold caches.
        yield return (0, 1, 0, 1, false);
        yield return (0, 1, 0, Math.Min(chunk, 16), false);
        yield return (0, 1, 0, 1, true);
        int contexts = Math.Min(WithContext, most);
        for (int s = 0; s < contexts; s++)
        {
            yield return (s, 1, 0, chunk, true);
            yield return (s, 1, chunk, chunk, true);
            yield return (0, s + 1, 2 * chunk, 1, true);
        }

        foreach (int sequences in (int[])[8, 16, 32, 64, 1])
        {
            yield return (0, Math.Min(sequences, most), 0, 1, true);
        }
    }

    private static void Fill(
        StepBatch batch, IModelRunner runner, int stride, int first, int sequences, int start, int tokens)
    {
        int[] table = new int[(start + tokens + runner.BlockSize - 1) / runner.BlockSize];
        int[] ids = new int[tokens];
        batch.Clear();
        for (int s = first; s < first + sequences; s++)
        {
            // Blocks alternate, as those of sequences that grow together do.
            for (int i = 0; i < table.Length; i++)
            {
                table[i] = (i * stride) + s;
            }

            for (int i = 0; i < tokens; i++)
            {
                ids[i] = (int)(((s * 613L) + (i * 7919L)) % runner.VocabSize);
            }

            batch.AddSequence(ids, start, table, numLogitsRows: 1);
        }
    }
}
