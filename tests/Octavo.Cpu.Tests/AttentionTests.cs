using System.Runtime.InteropServices;
using Octavo.Cpu.Attention;
using Octavo.Cpu.Cache;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Simd;
using Octavo.Engine;

namespace Octavo.Cpu.Tests;

/// <summary>
/// Every attention kernel against its twin in plain C#, bit by bit, on each instruction set and cache format.
/// </summary>
public sealed class AttentionTests
{
    public static TheoryData<string, bool, KvCacheFormat> Paths()
    {
        var data = new TheoryData<string, bool, KvCacheFormat>();
        foreach (InstructionSet isa in Enum.GetValues<InstructionSet>().Where(i => i <= ProcessorFeatures.Selected))
        {
            foreach (KvCacheFormat format in Enum.GetValues<KvCacheFormat>())
            {
                data.Add($"{isa}", false, format);
                if (AttentionPath.For(isa, new AttentionLayout(new KvLayout(format, 64))).IsEmitted)
                {
                    data.Add($"{isa}", true, format);
                }
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void Run_AnyShape_EqualsTheTwinBitForBit(string kernels, bool emitted, KvCacheFormat format)
    {
        InstructionSet isa = Enum.Parse<InstructionSet>(kernels);
        // Head widths with full lines, with half and odd ones; keys around a group's, a block's and a partition's edge.
        foreach ((int headDim, int group, int first, int tokens, int blockSize) in new[]
        {
            (64, 1, 0, 1, 16), (64, 3, 14, 3, 16), (64, 4, 510, 4, 32), (20, 7, 15, 2, 16), (80, 1, 511, 9, 16),
            (96, 3, 512, 1, 48), (128, 4, 100, 5, 16), (64, 7, 1022, 4, 64), (8, 5, 63, 1, 16), (64, 4, 1600, 1, 16),
            (20, 2, 0, 24, 16), (2, 3, 16, 1, 16),
        })
        {
            using var it = new AttentionCase(
                format, headDim, group, first, tokens, new AttentionRule { Scale = 0.3f }, blockSize: blockSize);
            AssertSame(
                it.Expected(), it.Run(Path(isa, emitted, it), 0, tokens, split: false),
                $"{isa} {format} {headDim} {group} {first} {tokens}");
        }
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void Run_WindowsCapsAndSlopes_EqualTheTwinBitForBit(string kernels, bool emitted, KvCacheFormat format)
    {
        InstructionSet isa = Enum.Parse<InstructionSet>(kernels);
        foreach ((int window, float cap, bool slopes, int first, int tokens) in new[]
        {
            (1, 0f, false, 530, 3), (40, 0f, false, 500, 30), (700, 0f, true, 1100, 5), (512, 5f, false, 1023, 2),
            (0, 3f, true, 300, 4), (0, 0f, true, 600, 2), (16, 0f, false, 2000, 12), (1024, 50f, true, 10, 3),
        })
        {
            var rule = new AttentionRule { Scale = 0.5f, Window = window, SoftCap = cap };
            using var it = new AttentionCase(format, 24, 3, first, tokens, rule, slopes);
            string what = $"{isa} {format} window {window} cap {cap} slopes {slopes} {first} {tokens}";
            float[][] expected = it.Expected();
            AssertSame(expected, it.Run(Path(isa, emitted, it), 0, tokens, split: false), what);
            AssertSame(expected, it.Run(Path(isa, emitted, it), 0, tokens, split: true), what + ", split");
        }
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void Run_CutAnywhere_GivesTheSameBits(string kernels, bool emitted, KvCacheFormat format)
    {
        InstructionSet isa = Enum.Parse<InstructionSet>(kernels);
        const int tokens = 13;
        foreach (int first in new[] { 0, 505, 1019 })
        {
            using var it =
                new AttentionCase(format, 64, 4, first, tokens, new AttentionRule { Scale = 0.2f }, seed: first);
            AttentionPath path = Path(isa, emitted, it);
            float[][] whole = it.Run(path, 0, tokens, split: false);
            AssertSame(whole, it.Run(path, 0, tokens, split: true), "keys cut");
            foreach (int chunk in new[] { 1, 2, 5 })
            {
                float[][] chunks = [.. Enumerable.Range(0, (tokens + chunk - 1) / chunk)
                    .SelectMany(i => it.Run(path, i * chunk, Math.Min(tokens, (i + 1) * chunk), split: i % 2 == 0))];
                AssertSame(whole, chunks, $"chunks of {chunk} from {first}");
            }

            using var wide = new AttentionCase(
                format, 64, 4, first, tokens, new AttentionRule { Scale = 0.2f }, blockSize: 64, seed: first);
            AssertSame(whole, wide.Run(path, 0, tokens, split: false), "blocks of 64");
        }
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void Run_ScaledCache_EqualsTheTwinBitForBit(string kernels, bool emitted, KvCacheFormat format)
    {
        InstructionSet isa = Enum.Parse<InstructionSet>(kernels);
        // Scales that make subnormals of keys and saturate values; only E4M3 has them.
        KvScale scale = format == KvCacheFormat.Fp8 ? new KvScale(40f, 0.003f) : KvScale.One;
        foreach (AttentionRule rule in new[]
        {
            new AttentionRule { Scale = 0.3f }, new AttentionRule { Scale = 0.3f, SoftCap = 4f, Window = 37 }
        })
        {
            using var it = new AttentionCase(format, 40, 3, 518, 7, rule, scale: scale);
            float[][] expected = it.Expected();
            AssertSame(expected, it.Run(Path(isa, emitted, it), 0, 7, split: false), $"{isa} {format} {rule}");
            AssertSame(expected, it.Run(Path(isa, emitted, it), 0, 7, split: true), $"{isa} {format} {rule}, split");
        }
    }

    [Theory]
    [InlineData(KvCacheFormat.Float32, 2e-6)]
    [InlineData(KvCacheFormat.BFloat16, 8e-3)]
    [InlineData(KvCacheFormat.Int8, 2e-2)]
    [InlineData(KvCacheFormat.Fp8, 0.15)]
    public void Expected_EachFormat_IsNearTheIdeal(KvCacheFormat format, double tolerance)
    {
        foreach (AttentionRule rule in new[]
        {
            new AttentionRule { Scale = 0.125f },
            new AttentionRule { Scale = 0.125f, Window = 50 },
            new AttentionRule { Scale = 0.125f, SoftCap = 2f },
        })
        {
            using var it = new AttentionCase(format, 64, 2, 520, 3, rule, slopes: rule.Window > 0);
            float[][] actual = it.Expected();
            double[][] ideal = it.Ideal();
            for (int row = 0; row < ideal.Length; row++)
            {
                for (int d = 0; d < it.HeadDim; d++)
                {
                    ((double)actual[row][d]).ShouldBe(
                        ideal[row][d], tolerance, $"{format} {rule} row {row} dimension {d}");
                }
            }
        }
    }

    [Fact]
    public void Exponential_From0ToTheLeast_IsWithinItsBound()
    {
        for (float x = 0; x >= Exponential.Least; x -= 0.0137f)
        {
            (Exponential.Of(x) / Math.Pow(2, x)).ShouldBe(1, 1e-7);
        }

        Exponential.Of(0f).ShouldBe(1f);
        Exponential.Of(-120.5f).ShouldBe(0f);
        Exponential.Of(float.NegativeInfinity).ShouldBe(0f);
        Exponential.Of(float.NaN).ShouldBe(float.NaN);
    }

    [Theory]
    [InlineData(KvCacheFormat.Float32)]
    [InlineData(KvCacheFormat.BFloat16)]
    [InlineData(KvCacheFormat.Int8)]
    [InlineData(KvCacheFormat.Fp8)]
    public unsafe void Run_ValueThatIsNoNumber_ReachesOnlyWhoAttendsToIt(KvCacheFormat format)
    {
        using var it = new AttentionCase(format, 16, 1, 20, 3, new AttentionRule { Scale = 0.3f });
        AttentionPath path = Path(ProcessorFeatures.Selected, true, it);
        float[][] before = it.Run(path, 0, 3, split: false);
        float[] key = new float[2 * 16];
        float[] value = new float[2 * 16];
        value[5] = float.PositiveInfinity;
        value[16] = float.NaN;
        fixed (float* k = key)
        fixed (float* v = value)
        {
            it.Overwrite(21, k, v);
        }

        float[][] after = it.Run(path, 0, 3, split: false);
        AssertSame(before[..2], after[..2], "position 20");
        after[2..].ShouldAllBe(row => row.All(float.IsNaN));
    }

    [Fact]
    public void Selected_Processor_RunsTheEmittedKernelsWhereItCan()
    {
        foreach (KvCacheFormat format in Enum.GetValues<KvCacheFormat>())
        {
            InstructionSet needed = format == KvCacheFormat.Int8 ? InstructionSet.Avx512Vnni : InstructionSet.Avx512;
            AttentionPath.For(ProcessorFeatures.Selected, new AttentionLayout(new KvLayout(format, 64))).IsEmitted
                .ShouldBe(ProcessorFeatures.Selected >= needed);
        }
    }

    private static AttentionPath Path(InstructionSet isa, bool emitted, AttentionCase it) =>
        AttentionPath.For(isa, new AttentionLayout(it.Cache.Layer(0).Layout), emitted);

    private static void AssertSame(float[][] expected, float[][] actual, string what)
    {
        actual.Length.ShouldBe(expected.Length, what);
        for (int row = 0; row < expected.Length; row++)
        {
            ReadOnlySpan<int> want = MemoryMarshal.Cast<float, int>(expected[row]),
                got = MemoryMarshal.Cast<float, int>(actual[row]);
            int d = want.CommonPrefixLength(got);
            (d == want.Length && d == got.Length).ShouldBeTrue($"{what}: row {row} differs first at dimension {d}");
        }
    }
}
