using System.Diagnostics;
using Octavo.Cpu;
using Octavo.Cpu.Linears;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Panels;
using Octavo.Cpu.Threading;
using Octavo.Formats;

namespace Octavo.Lab.Measuring;

/// <summary>How fast one kernel ran.</summary>
/// <param name="Kernel">Which, such as <c>gate·up bfloat16</c>.</param>
/// <param name="Rows">Rows (tokens) that it took at once.</param>
/// <param name="Seconds">The median time of one call.</param>
/// <param name="Bytes">Weight bytes that a call reads.</param>
/// <param name="Operations">Operations that a call needs.</param>
/// <param name="Arithmetic">What they are done in.</param>
internal sealed record KernelMeasurement(
    string Kernel, int Rows, double Seconds, long Bytes, long Operations, Arithmetic Arithmetic)
{
    /// <summary>Bytes a second.</summary>
    public double BytesPerSecond => Bytes / Seconds;

    /// <summary>Operations a second.</summary>
    public double OperationsPerSecond => Operations / Seconds;

    /// <summary>
    /// The time that a machine's ceilings allow (the longer of reading the bytes and doing the operations) over the
    /// measured one.
    /// </summary>
    public double FractionOf(MachineCeilings ceilings) =>
        Math.Max(Bytes / ceilings.ReadBandwidth, Operations / ceilings.Peak(Arithmetic)) / Seconds;
}

/// <summary>Times the linear kernels of a model's shape on random weights.</summary>
internal static class KernelBenchmark
{
    private const int Runs = 9;
    private const double LeastSeconds = 0.02;
    private const long BytesInTurn = 256L << 20;

    /// <summary>The row counts that are measured: decoding alone, batches, prefill.</summary>
    public static IReadOnlyList<int> RowCounts { get; } = [1, 8, 16, 32, 64, 128, 512];

    /// <summary>Measures every matrix of one layer in one scheme.</summary>
    /// <param name="shape">Whose matrices.</param>
    /// <param name="weights">How their weights are stored.</param>
    /// <param name="threads">Threads that share the work.</param>
    /// <param name="report">Hears each result as it comes.</param>
    public static void Measure(ModelShape shape, WeightScheme weights, int threads, Action<KernelMeasurement> report) =>
        Measure(shape, weights, threads, report, Runs);

    /// <summary>The same with the median of another number of runs.</summary>
    internal static void Measure(
        ModelShape shape, WeightScheme weights, int threads, Action<KernelMeasurement> report, int runs)
    {
        using var team = new ThreadTeam(threads);
        foreach ((string name, int outFeatures, int inFeatures) in shape.Linears)
        {
            // Enough copies, taken in turn, that no cache holds a matrix until it is needed again: in a model, too, all
            // the others are read in between.
            InstructionSet isa = ProcessorFeatures.Selected;
            var scheme = LinearScheme.For(weights, isa);
            (long bytes, _) = PackedPanels.BytesFor(outFeatures, inFeatures, bias: false, scheme);
            int copies = (int)Math.Clamp(BytesInTurn / bytes, 2, 256);
            Linear[] linears = [.. Enumerable.Range(0, copies)
                .Select(i => new Linear(new RandomMatrix(outFeatures, inFeatures, seed: i), scheme, isa))];
            try
            {
                foreach (int rows in RowCounts)
                {
                    using var work = new LinearWork(linears, rows);
                    double seconds = Median(team, work, runs);
                    long operations = 2L * rows * outFeatures * inFeatures;
                    report(new KernelMeasurement(
                        $"{name} {weights.Name ?? weights.ToString()}", rows, seconds, bytes, operations,
                        ArithmeticOf(scheme)));
                }
            }
            finally
            {
                foreach (Linear linear in linears)
                {
                    linear.Dispose();
                }
            }
        }
    }

    /// <summary>What a scheme's operations are done in.</summary>
    internal static Arithmetic ArithmeticOf(LinearScheme scheme) => scheme.Input switch
    {
        InputCode.Int8 => Arithmetic.Int8,
        InputCode.BFloat16 => Arithmetic.BFloat16,
        InputCode.Float32 => Arithmetic.Float32,
    };

    /// <summary>The median time of one call, over runs of as many calls as a clock can tell apart.</summary>
    private static double Median(ThreadTeam team, LinearWork work, int runs)
    {
        int calls = 1;
        while (Time(team, work, calls) < LeastSeconds)
        {
            calls *= 2;
        }

        double[] seconds = [.. Enumerable.Range(0, runs).Select(_ => Time(team, work, calls) / calls).Order()];
        return seconds[runs / 2];
    }

    private static double Time(ThreadTeam team, LinearWork work, int calls)
    {
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < calls; i++)
        {
            work.Next();
            team.Run(work);
        }

        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private sealed unsafe class LinearWork : ITeamWork, IDisposable
    {
        private readonly Linear[] _linears;
        private readonly int _rows;
        private readonly DisposableStack _owned = new();
        private readonly ActivationBuffer _input;
        private readonly NativeBuffer _output;
        private int _current;

        public LinearWork(Linear[] linears, int rows)
        {
            (_linears, _rows) = (linears, rows);
            _input = _owned.Add(new ActivationBuffer(rows, [linears[0].Layout]));
            _output = _owned.Add(NativeBuffer.OfFloats((long)rows * linears[0].OutFeatures));
            _input.Begin(rows);
            float[] x = new float[linears[0].InFeatures];
            fixed (float* row = x)
            {
                for (int r = 0; r < rows; r++)
                {
                    for (int k = 0; k < x.Length; k++)
                    {
                        x[k] = MathF.Sin((r * 31) + k);
                    }

                    _input.Store(linears[0].Layout, r, row);
                }
            }
        }

        public void Next() => _current = (_current + 1) % _linears.Length;

        public void Run(TeamMember member)
        {
            Linear linear = _linears[_current];
            linear.Run(
                member, _input, _rows, new LinearOutput(_output.Floats, linear.OutFeatures, linear.OutFeatures));
        }

        public void Dispose() => _owned.Dispose();
    }

    /// <summary>Small weights from a seeded generator.</summary>
    private sealed class RandomMatrix(int rows, int columns, int seed) : MatrixSource
    {
        public override int Rows => rows;

        public override int Columns => columns;

        public override bool HasBias => false;

        public override void ReadRow(int row, Span<float> destination)
        {
            uint state = (uint)((seed * 7919) + (row * 104729)) | 1;
            for (int i = 0; i < destination.Length; i++)
            {
                state = (state * 1664525) + 1013904223;
                destination[i] = ((state >> 8) / (float)(1 << 24) * 0.1f) - 0.05f;
            }
        }

        public override void ReadBias(Span<float> destination) => destination.Clear();
    }
}
