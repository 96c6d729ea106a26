using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Octavo.Cpu;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Simd;
using Octavo.Cpu.Threading;

namespace Octavo.Lab.Measuring;

/// <summary>What a kernel's operations are done in.</summary>
internal enum Arithmetic
{
    /// <summary>Float32 multiply-adds.</summary>
    Float32,

    /// <summary>Dot products of bfloat16 pairs.</summary>
    BFloat16,

    /// <summary>Dot products of four bytes.</summary>
    Int8,
}

/// <summary>
/// What this machine can do at most, measured with all threads at once: results are stated as fractions of it. A
/// ceiling is the best of several runs, since whatever else the machine does can only lower it; null where the
/// processor lacks the instruction.
/// </summary>
internal sealed record MachineCeilings
{
    private const int PiecesPerMember = 8;
    private const long LoopTurns = 2_000_000 / PiecesPerMember;
    private const int Runs = 7;
    private const long ReadBytes = 512L << 20;

    /// <summary>Threads that measured.</summary>
    public required int Threads { get; init; }

    /// <summary>Bytes a second that the threads read from memory, forward, from a buffer that no cache holds.</summary>
    public required double ReadBandwidth { get; init; }

    /// <summary>Float32 operations a second (a fused multiply-add is two).</summary>
    public required double Float32Peak { get; init; }

    /// <summary>Operations a second of bfloat16 dot products (<c>vdpbf16ps</c>).</summary>
    public double? BFloat16Peak { get; init; }

    /// <summary>Operations a second of byte dot products (<c>vpdpbusd</c>).</summary>
    public double? Int8Peak { get; init; }

    /// <summary>
    /// Operations a second in an arithmetic; where the processor has no instruction for it, those of float32, which it
    /// is then done in or must be measured by.
    /// </summary>
    public double Peak(Arithmetic arithmetic) => arithmetic switch
    {
        Arithmetic.BFloat16 => BFloat16Peak ?? Float32Peak,
        Arithmetic.Int8 => Int8Peak ?? Float32Peak,
        Arithmetic.Float32 => Float32Peak,
    };

    /// <summary>The higher of two measurements of the same machine, ceiling by ceiling.</summary>
    public MachineCeilings Or(MachineCeilings other) => this with
    {
        ReadBandwidth = Math.Max(ReadBandwidth, other.ReadBandwidth),
        Float32Peak = Math.Max(Float32Peak, other.Float32Peak),
        BFloat16Peak = BFloat16Peak is { } wide ? Math.Max(wide, other.BFloat16Peak ?? 0) : other.BFloat16Peak,
        Int8Peak = Int8Peak is { } bytes ? Math.Max(bytes, other.Int8Peak ?? 0) : other.Int8Peak,
    };

    /// <summary>Measures, in about two seconds.</summary>
    /// <param name="threads">Threads that work at once; null takes one a processor.</param>
    public static MachineCeilings Measure(int? threads = null) => Measure(threads, Runs);

    /// <summary>The same with the best of another number of runs.</summary>
    internal static unsafe MachineCeilings Measure(int? threads, int runs)
    {
        using var team = new ThreadTeam(threads ?? TeamSize.Default);
        return new MachineCeilings
        {
            Threads = team.Count,
            ReadBandwidth = MeasureReadBandwidth(team, runs),
            Float32Peak = ExecutableMemory.IsAllowed && CpuFeatures.Avx512
                ? Peak(team, PeakLoops.Float32(), 32, runs)
                : Pieces(team) * ManagedLoop.Operations / Best(team, new PieceWork(team, _ => ManagedLoop.Run()), runs),
            BFloat16Peak = ExecutableMemory.IsAllowed && CpuFeatures.Avx512Bf16
                ? Peak(team, PeakLoops.BFloat16(), 64, runs)
                : null,
            Int8Peak = ExecutableMemory.IsAllowed && CpuFeatures.Avx512Vnni
                ? Peak(team, PeakLoops.Bytes(), 128, runs)
                : null,
        };
    }

    /// <summary>Measures <see cref="ReadBandwidth"/> alone, in a quarter of a second.</summary>
    /// <param name="threads">Threads that read at once; null takes one a processor.</param>
    public static double MeasureReadBandwidth(int? threads = null)
    {
        using var team = new ThreadTeam(threads ?? TeamSize.Default);
        return MeasureReadBandwidth(team, Runs);
    }

    private static unsafe double MeasureReadBandwidth(ThreadTeam team, int runs)
    {
        using var buffer = new NativeBuffer(ReadBytes);
        HugePages.Advise(buffer);
        new Span<byte>(buffer.Pointer, (int)ReadBytes).Fill(1);
        return ReadBytes / Best(team, new PieceWork(team, piece => Read(buffer, piece, Pieces(team))), runs);
    }

    private static unsafe double Peak(
        ThreadTeam team, delegate* unmanaged<long, void> loop, int operationsPerInstruction, int runs) =>
        (double)Pieces(team) * LoopTurns * PeakLoops.InstructionsPerTurn * operationsPerInstruction / Best(
            team, new PieceWork(team, _ => loop(LoopTurns)), runs);

    private static double Best(ThreadTeam team, ITeamWork work, int runs)
    {
        team.Run(work);
        double best = double.PositiveInfinity;
        for (int i = 0; i < runs; i++)
        {
            long started = Stopwatch.GetTimestamp();
            team.Run(work);
            best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalSeconds);
        }

        return best;
    }

    private static int Pieces(ThreadTeam team) => team.Count * PiecesPerMember;

    // Called a few times only: the runtime would not come to optimize it by itself.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void Read(NativeBuffer buffer, int piece, int pieces)
    {
        long share = buffer.Length / pieces / 512 * 512;
        byte* p = buffer.Pointer + (piece * share);
        byte* end = p + share;
        Vector512<long> a = default, b = default, c = default, d = default;
        for (; p < end; p += 256)
        {
            a |= Vector512.Load((long*)p);
            b |= Vector512.Load((long*)(p + 64));
            c |= Vector512.Load((long*)(p + 128));
            d |= Vector512.Load((long*)(p + 192));
        }

        Consume((a | b | c | d)[0]);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Consume(long value) => GC.KeepAlive(value == 0 ? typeof(MachineCeilings) : null);

    /// <summary>Pieces of equal size, which the team shares.</summary>
    private sealed class PieceWork(ThreadTeam team, Action<int> run) : ITeamWork
    {
        public void Run(TeamMember member) => member.Divide(Pieces(team), new Piece(run));
    }

    private readonly struct Piece(Action<int> run) : IOwnItems
    {
        public void Run(int item, TeamMember member) => run(item);
    }

    /// <summary>Float32 where we emit no code: the compiler's own multiply-adds on eight accumulators.</summary>
    private static unsafe class ManagedLoop
    {
        private const int Turns = 4_000_000 / PiecesPerMember;

        public static double Operations =>
            Turns * 8.0 * 2 * (Vector256.IsHardwareAccelerated ? Simd256.Count : Simd128.Count);

        public static void Run()
        {
            if (Vector256.IsHardwareAccelerated)
            {
                Loop<Vector256<float>, Simd256>();
            }
            else
            {
                Loop<Vector128<float>, Simd128>();
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Loop<TVector, TSimd>()
            where TVector : struct
            where TSimd : struct, ISimd<TVector>
        {
            TVector a = default, b = default, c = default, d = default;
            TVector e = default, f = default, g = default, h = default;
            TVector x = TSimd.Broadcast(0.5f);
            for (int i = 0; i < Turns; i++)
            {
                a = TSimd.MultiplyAdd(a, x, x);
                b = TSimd.MultiplyAdd(b, x, x);
                c = TSimd.MultiplyAdd(c, x, x);
                d = TSimd.MultiplyAdd(d, x, x);
                e = TSimd.MultiplyAdd(e, x, x);
                f = TSimd.MultiplyAdd(f, x, x);
                g = TSimd.MultiplyAdd(g, x, x);
                h = TSimd.MultiplyAdd(h, x, x);
            }

            float* keep = stackalloc float[16];
            TSimd.Store(
                TSimd.Add(TSimd.Add(TSimd.Add(a, b), TSimd.Add(c, d)), TSimd.Add(TSimd.Add(e, f), TSimd.Add(g, h))),
                keep);
        }
    }
}
