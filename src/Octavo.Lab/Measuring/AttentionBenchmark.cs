using System.Diagnostics;
using Octavo.Cpu;
using Octavo.Cpu.Attention;
using Octavo.Cpu.Cache;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Threading;
using Octavo.Engine;
using Octavo.Models;

namespace Octavo.Lab.Measuring;

/// <summary>How fast attention ran over one layer's cache.</summary>
/// <param name="Format">How keys and values are stored.</param>
/// <param name="Sequences">Sequences in the step.</param>
/// <param name="Tokens">Query tokens of each.</param>
/// <param name="Context">Keys that the last token of each attends to.</param>
/// <param name="Disordered">
/// No two blocks of a sequence stand side by side; else they follow one another, as a prompt's do.
/// </param>
/// <param name="Seconds">The median time of one layer.</param>
/// <param name="Bytes">Bytes of keys, values and scales that are read at least once.</param>
/// <param name="Operations">Multiplications and additions of both products, for attended keys only.</param>
internal sealed record AttentionMeasurement(
    KvCacheFormat Format,
    int Sequences,
    int Tokens,
    int Context,
    bool Disordered,
    double Seconds,
    long Bytes,
    long Operations)
{
    /// <summary>Bytes a second.</summary>
    public double BytesPerSecond => Bytes / Seconds;

    /// <summary>Operations a second.</summary>
    public double OperationsPerSecond => Operations / Seconds;
}

/// <summary>
/// Times attention of a model's shape on random keys and values: decoding at several batch sizes, and prefill.
/// </summary>
internal static class AttentionBenchmark
{
    private const int BlockSize = 16;
    private const int Runs = 9;
    private const double LeastSeconds = 0.03;
    private const long LeastBytesInTurn = 192L << 20;

    /// <summary>
    /// The steps that are measured: sequences, query tokens of each, context, and whether blocks are in disorder.
    /// </summary>
    public static IReadOnlyList<(int Sequences, int Tokens, int Context, bool Disordered)> Steps { get; } =
    [
        (1, 1, 128, false), (16, 1, 128, false), (64, 1, 128, false), (1, 1, 4096, false), (16, 1, 4096, false),
        (16, 1, 4096, true), (64, 1, 4096, false), (1, 512, 512, false), (1, 512, 4096, false),
    ];

    /// <summary>Measures every step in one format.</summary>
    /// <param name="shape">Whose heads.</param>
    /// <param name="format">How keys and values are stored.</param>
    /// <param name="threads">Threads that share the work.</param>
    /// <param name="report">Hears each result as it comes.</param>
    public static void Measure(
        ModelShape shape, KvCacheFormat format, int threads, Action<AttentionMeasurement> report) =>
        Measure(shape, format, threads, Steps, report);

    internal static void Measure(
        ModelShape shape,
        KvCacheFormat format,
        int threads,
        IReadOnlyList<(int Sequences, int Tokens, int Context, bool Disordered)> steps,
        Action<AttentionMeasurement> report)
    {
        using var team = new ThreadTeam(threads);
        foreach ((int sequences, int tokens, int context, bool disordered) in steps)
        {
            // Layers taken in turn, so many that no cache holds one until it is needed again, as in a model.
            long layerBytes = (long)sequences * context * BytesPerToken(shape, format);
            int layers = (int)Math.Clamp(LeastBytesInTurn / layerBytes, 1, tokens > 1 ? 2 : 64);
            using var work =
                new AttentionWork(shape, format, layers, team.Count, sequences, tokens, context, disordered);
            team.Run(work);
            double seconds = Median(team, work);
            long pairs = (long)sequences * (((long)tokens * (context - tokens)) + ((long)tokens * (tokens + 1) / 2));
            report(new AttentionMeasurement(
                format, sequences, tokens, context, disordered, seconds, layerBytes,
                4 * pairs * shape.Heads * shape.HeadDim));
        }
    }

    private static int BytesPerToken(ModelShape shape, KvCacheFormat format) =>
        (int)(KvLayout.BytesPerToken([Spec(shape)], format));

    private static double Median(ThreadTeam team, AttentionWork work)
    {
        work.Computes = true;
        int calls = 1;
        while (Time(team, work, calls) < LeastSeconds)
        {
            calls *= 2;
        }

        double[] seconds = [.. Enumerable.Range(0, Runs).Select(_ => Time(team, work, calls) / calls).Order()];
        return seconds[Runs / 2];
    }

    private static double Time(ThreadTeam team, AttentionWork work, int calls)
    {
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < calls; i++)
        {
            work.Next();
            team.Run(work);
        }

        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static AttentionSpec Spec(ModelShape shape) =>
        RandomModel.Describe(shape with { Layers = 1 }, 1).Attentions.First();

    /// <summary>Fills the caches when it is run first, then computes a layer each time.</summary>
    private sealed unsafe class AttentionWork : ITeamWork, IDisposable
    {
        private readonly int _layers;
        private readonly int _queryStride;
        private readonly DisposableStack _owned = new();
        private readonly KvCache _cache;
        private readonly PagedAttention _attention;
        private readonly StepBatch _batch = new(BlockSize);
        private readonly AttentionRule _rule;
        private readonly NativeBuffer _query;
        private readonly NativeBuffer _output;
        private int _layer;

        public AttentionWork(
            ModelShape shape,
            KvCacheFormat format,
            int layers,
            int workers,
            int sequences,
            int tokens,
            int context,
            bool disordered)
        {
            _layers = layers;
            int blocks = (context + BlockSize - 1) / BlockSize;
            _cache = _owned.Add(
                new KvCache([.. Enumerable.Repeat(Spec(shape), layers)], format, sequences * blocks, BlockSize));
            _attention = _owned.Add(new PagedAttention(
                Spec(shape), _cache, ProcessorFeatures.Selected, workers, context, sequences * tokens));

            int[] order =
                [.. Enumerable.Range(0, sequences * blocks).OrderBy(i => disordered ? (uint)i * 2654435761u : (uint)i)];
            for (int s = 0; s < sequences; s++)
            {
                _batch.AddSequence(new int[tokens], context - tokens, order.AsSpan(s * blocks, blocks), 1);
            }

            _attention.Prepare(_batch);
            _rule = new AttentionRule { Scale = 1 / MathF.Sqrt(shape.HeadDim) };
            _queryStride = shape.Heads * shape.HeadDim;
            _query = _owned.Add(NativeBuffer.OfFloats((long)sequences * tokens * _queryStride));
            _output = _owned.Add(NativeBuffer.OfFloats((long)sequences * tokens * _queryStride));
            Fill(_query.Floats, sequences * tokens * _queryStride, 1);
        }

        public bool Computes { get; set; }

        public void Next() => _layer = (_layer + 1) % _layers;

        public void Run(TeamMember member)
        {
            if (Computes)
            {
                _attention.Run(member, _layer, _rule, _batch, _query.Floats, _queryStride, _output.Floats);
            }
            else
            {
                member.Divide(_layers, new FilledLayers(this));
            }
        }

        public void Dispose() => _owned.Dispose();

        private void FillCache(int layer)
        {
            int width = _cache.Layer(layer).NumKvHeads * _cache.Layer(layer).Layout.HeadDim;
            using NativeBuffer row = NativeBuffer.OfFloats(2L * width);
            for (int slot = 0; slot < _cache.NumBlocks * BlockSize; slot++)
            {
                if (slot < 8 || slot % 16 == 0)
                {
                    Fill(row.Floats, 2 * width, (uint)slot);
                }

                _cache.Write(layer, slot, row.Floats, row.Floats + width);
            }
        }

        private static void Fill(float* numbers, int count, uint seed)
        {
            uint state = (seed * 2654435761) | 1;
            for (int i = 0; i < count; i++)
            {
                state = (state * 1664525) + 1013904223;
                numbers[i] = ((state >> 8) / (float)(1 << 24) * 2) - 1;
            }
        }

        private readonly struct FilledLayers(AttentionWork work) : IOwnItems
        {
            public void Run(int layer, TeamMember member) => work.FillCache(layer);
        }
    }
}
