using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Octavo.Cpu.Threading;
using Octavo.Engine;

namespace Octavo.Lab.Measuring;

/// <summary>What logits are like.</summary>
internal enum LogitsKind
{
    /// <summary>Normal with a deviation of 1: tens of thousands of tokens matter.</summary>
    Flat,

    /// <summary>A few dozen tokens stand out, as in a text that a model knows how to go on.</summary>
    Peaked,
}

/// <summary>How long drawing took.</summary>
/// <param name="Vocabulary">Elements of a row.</param>
/// <param name="Sampling">How tokens were drawn.</param>
/// <param name="Kind">What the logits were like.</param>
/// <param name="Rows">Rows at once.</param>
/// <param name="Seconds">The median time for all of them.</param>
/// <param name="ReadSeconds">One thread's median time to read one row once from memory.</param>
internal sealed record SamplingMeasurement(
    int Vocabulary, string Sampling, LogitsKind Kind, int Rows, double Seconds, double ReadSeconds)
{
    /// <summary>The time of a row in reads of a row by one thread.</summary>
    public double Reads => Seconds / Rows / ReadSeconds;
}

/// <summary>
/// Times drawing from rows that lie in memory, not in cache, beside the time that a thread takes to read a row once.
/// </summary>
internal sealed class SamplingBenchmark(int? threads, Action<string> progress)
{
    private const long BufferBytes = 256L << 20;           // more than caches hold
    private const int FewestRuns = 20;

    /// <summary>Measures all combinations.</summary>
    /// <param name="vocabularies">Elements of a row, each in turn.</param>
    /// <param name="samplings">How tokens are drawn, each in turn.</param>
    /// <param name="rows">Rows at once, each in turn; several are shared by the threads.</param>
    public IReadOnlyList<SamplingMeasurement> Run(
        IReadOnlyList<int> vocabularies, IReadOnlyList<string> samplings, IReadOnlyList<int> rows)
    {
        using var team = new ThreadTeam(threads ?? Environment.ProcessorCount);
        var shared = new WorkTeam(team);
        List<SamplingMeasurement> found = [];
        foreach (int vocabulary in vocabularies)
        {
            int most = Math.Max(rows.Max(), (int)(BufferBytes / sizeof(float) / vocabulary));
            float[] logits = GC.AllocateUninitializedArray<float>(checked(most * vocabulary), pinned: true);
            foreach (LogitsKind kind in Enum.GetValues<LogitsKind>())
            {
                Fill(logits, vocabulary, kind);
                double read = MedianSeconds(logits, vocabulary, Read);
                foreach (string sampling in samplings)
                {
                    foreach (int count in rows)
                    {
                        progress($"{vocabulary} tokens, {Name(kind)}, {sampling}, {count} rows");
                        var drawing = new RowDrawing(shared, vocabulary, SamplingText.Parse(sampling));
                        drawing.Prepare(count);
                        double seconds = MedianSeconds(logits, count * vocabulary, drawing.Draw);
                        found.Add(new SamplingMeasurement(vocabulary, sampling, kind, count, seconds, read));
                    }
                }
            }
        }

        return found;
    }

    /// <summary>What a kind of logits is called.</summary>
    public static string Name(LogitsKind kind) => kind switch
    {
        LogitsKind.Flat => "flat",
        LogitsKind.Peaked => "peaked",
    };

    // Twelve numbers are nearly normal together.
    private static void Fill(float[] logits, int vocabulary, LogitsKind kind)
    {
        Parallel.For(0, logits.Length / vocabulary, row =>
        {
            var noise = new Noise(seed: ((uint)row + 1) * 2_654_435_761);
            Span<float> values = logits.AsSpan(row * vocabulary, vocabulary);
            foreach (ref float value in values)
            {
                value = 0;
                for (int i = 0; i < 12; i++)
                {
                    value += noise.Next() / 2;
                }
            }

            for (int i = 0; kind == LogitsKind.Peaked && i < 30; i++)
            {
                values[(int)((row + (i * 7919L)) % vocabulary)] = 14 - (0.4f * i);
            }
        });
    }

    /// <summary>Goes through the buffer part by part, as often as it takes, and returns the median of a part.</summary>
    private static double MedianSeconds(float[] logits, int length, Action<Memory<float>> part)
    {
        int parts = logits.Length / length;
        for (int i = 0; i < Math.Min(parts, FewestRuns); i++)
        {
            part(logits.AsMemory(i * length, length));     // what is compiled, is compiled
        }

        List<double> times = [];
        for (int i = 0; i < Math.Max(parts, FewestRuns); i++)
        {
            Memory<float> one = logits.AsMemory(i % parts * length, length);
            long started = Stopwatch.GetTimestamp();
            part(one);
            times.Add(Stopwatch.GetElapsedTime(started).TotalSeconds);
        }

        times.Sort();
        return times[times.Count / 2];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Read(Memory<float> row)
    {
        Span<float> values = row.Span;
        ref float start = ref values[0];
        Vector512<int> a = default, b = default;
        for (int i = 0; i <= values.Length - 32; i += 32)
        {
            a |= Vector512.LoadUnsafe(ref start, (nuint)i).AsInt32();
            b |= Vector512.LoadUnsafe(ref start, (nuint)i + 16).AsInt32();
        }

        Consume((a | b)[0]);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Consume(int value) => GC.KeepAlive(value == 0 ? typeof(SamplingBenchmark) : null);
}
