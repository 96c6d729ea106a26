using System.Runtime.Intrinsics;
using Octavo.Cpu.Kernels;
using Octavo.Cpu.Simd;
using Octavo.Models;

namespace Octavo.Cpu.Tests;

/// <summary>Every kernel against its twin in plain C#, on each instruction set, at odd lengths, on guard pages.</summary>
public sealed unsafe class KernelTests
{
    public static TheoryData<InstructionSet, bool> Paths()
    {
        var data = new TheoryData<InstructionSet, bool>();
        foreach (InstructionSet isa in TestRunner.InstructionSets)
        {
            data.Add(isa, false);
            data.Add(isa, true);
        }

        return data;
    }

    [Fact]
    public void Selected_EnvironmentCap_IsTheWidestPath()
    {
        string? cap = Environment.GetEnvironmentVariable(ProcessorFeatures.Variable);
        ProcessorFeatures.Selected.ShouldBe(ProcessorFeatures.Cap(ProcessorFeatures.Supported, cap));
        ProcessorFeatures.Cap(InstructionSet.Avx512, null).ShouldBe(InstructionSet.Avx512);
        ProcessorFeatures.Cap(InstructionSet.Avx512, "AVX2").ShouldBe(InstructionSet.Avx2);
        ProcessorFeatures.Cap(InstructionSet.Avx2, "avx512vnni").ShouldBe(InstructionSet.Avx2);
        ProcessorFeatures.Cap(InstructionSet.Avx512, "portable").ShouldBe(InstructionSet.Portable);
        Should.Throw<Engine.EngineConfigurationException>(() => ProcessorFeatures.Cap(InstructionSet.Avx512, "mmx")).Message.ShouldContain("avx2");
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void Attention_AnyShape_EqualsPlainLoops(InstructionSet isa, bool narrow)
    {
        var random = new Random(2);
        foreach ((int headDim, int blockSize, int group, int first, int tokens) in new[]
        {
            (16, 16, 1, 0, 1), (24, 16, 2, 0, 5), (64, 32, 4, 31, 1), (20, 16, 3, 14, 3), (128, 16, 1, 40, 9), (8, 48, 7, 100, 2), (16, 16, 5, 15, 1),
        })
        {
            CheckAttention(random, isa, narrow, headDim, blockSize, group, first, tokens);
        }
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(1.00390625f)]
    [InlineData(1.01171875f)]
    [InlineData(-3.14159f)]
    [InlineData(1e-40f)]
    [InlineData(3.4e38f)]
    [InlineData(float.PositiveInfinity)]
    public void Round_Float_GivesTheNearestBFloat16TiesToEven(float value)
    {
        ushort bits = BFloat16Element.Round(value);
        double nearest = new[] { bits - 1, (int)bits, bits + 1 }
            .Select(b => (double)BitConverter.Int32BitsToSingle((ushort)b << 16))
            .Where(double.IsFinite).DefaultIfEmpty(double.PositiveInfinity)
            .MinBy(c => Math.Abs(c - value));
        double rounded = BitConverter.Int32BitsToSingle(bits << 16);
        (double.IsInfinity(rounded) || Math.Abs(rounded - value) <= Math.Abs(nearest - value)).ShouldBeTrue();
        if (value is 1.00390625f or 1.01171875f)
        {
            (bits & 1).ShouldBe(0, "a tie goes to the even neighbour");
        }
    }

    [Fact]
    public void Activate_SixteenNumbers_EqualsTheFormulas()
    {
        Vector512<float> x = Vector512.Create([-90f, -5f, -1f, -0.5f, -0f, 0f, 1e-3f, 0.5f, 1f, 2f, 3f, 5f, 10f, 20f, 50f, 90f]);
        Vector512<float> silu = RowKernels.Activate(Activation.Silu, x);
        Vector512<float> relu = RowKernels.Activate(Activation.Relu, x);
        for (int i = 0; i < 16; i++)
        {
            ((double)silu[i]).ShouldBe(x[i] / (1 + Math.Exp(-x[i])), 1e-6 * (1 + Math.Abs(x[i])));
            relu[i].ShouldBe(Math.Max(x[i], 0));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(64)]
    [InlineData(77)]
    public void RowKernels_AnyWidth_EqualTheirFormulas(int width)
    {
        var random = new Random(width);
        float[] x = Random(random, width);
        float[] w = Random(random, width);
        float[] b = Random(random, width);
        using GuardedMemory input = GuardedMemory.OfFloats(x);
        using GuardedMemory weight = GuardedMemory.OfFloats(w);
        using GuardedMemory bias = GuardedMemory.OfFloats(b);
        using var output = new GuardedMemory(width * sizeof(float));
        double meanSquare = x.Sum(v => (double)v * v) / width;
        double mean = x.Average(v => (double)v);
        double variance = x.Sum(v => (v - mean) * (v - mean)) / width;

        RowKernels.RmsNorm(input.Floats, weight.Floats, 1e-5f, output.Floats, width);
        Check(i => x[i] / Math.Sqrt(meanSquare + 1e-5) * w[i]);
        RowKernels.LayerNorm(input.Floats, weight.Floats, bias.Floats, 1e-5f, output.Floats, width);
        Check(i => ((x[i] - mean) / Math.Sqrt(variance + 1e-5) * w[i]) + b[i]);

        void Check(Func<int, double> expected)
        {
            for (int i = 0; i < width; i++)
            {
                ((double)output.Floats[i]).ShouldBe(expected(i), 1e-5 * (1 + Math.Abs(expected(i))));
            }
        }
    }

    private static void CheckAttention(Random random, InstructionSet isa, bool narrow, int headDim, int blockSize, int group, int first, int tokens)
    {
        const int kvHeads = 2;
        int keys = first + tokens;
        int numBlocks = ((keys + blockSize - 1) / blockSize) + 3;
        DecoderSpec spec = TinySpec(headDim, kvHeads, group);
        using var cache = new KvCache(spec, narrow ? KvCacheFormat.BFloat16 : KvCacheFormat.Float32, numBlocks, blockSize);
        int[] table = [.. Enumerable.Range(0, numBlocks).OrderBy(_ => random.Next()).Take((keys + blockSize - 1) / blockSize)];
        float[] k = Random(random, keys * kvHeads * headDim);
        float[] v = Random(random, keys * kvHeads * headDim);
        float[] q = Random(random, tokens * kvHeads * group * headDim);
        fixed (float* pk = k)
        fixed (float* pv = v)
        {
            for (int position = 0; position < keys; position++)
            {
                int slot = (table[position / blockSize] * blockSize) + (position % blockSize);
                cache.Write(0, slot, pk + (position * kvHeads * headDim), pv + (position * kvHeads * headDim));
            }
        }

        int stride = (keys + 15) / 16 * 16;
        using GuardedMemory query = GuardedMemory.OfFloats(q);
        using var output = new GuardedMemory(q.Length * sizeof(float));
        using var scores = new GuardedMemory(tokens * group * stride * sizeof(float));
        using var accumulators = new GuardedMemory(4 * cache.PaddedHeadDim * sizeof(float));
        for (int kvHead = 0; kvHead < kvHeads; kvHead++)
        {
            var tile = new AttentionTile
            {
                Cache = cache,
                KvHead = kvHead,
                BlockTable = table,
                FirstPosition = first,
                NumTokens = tokens,
                Group = group,
                Query = query.Floats + (kvHead * group * headDim),
                QueryStride = kvHeads * group * headDim,
                Output = output.Floats + (kvHead * group * headDim),
                OutputStride = kvHeads * group * headDim,
                Scale = 0.3f,
                Scores = scores.Floats,
                ScoreStride = stride,
                Accumulators = accumulators.Floats,
            };
            AttendOn(isa, narrow)(tile);
        }

        for (int token = 0; token < tokens; token++)
        {
            for (int head = 0; head < kvHeads * group; head++)
            {
                double[] expected = Attend(q.AsSpan(((token * kvHeads * group) + head) * headDim, headDim), k, v, first + token + 1, kvHeads, head / group, headDim, narrow);
                for (int d = 0; d < headDim; d++)
                {
                    ((double)output.Floats[(((token * kvHeads * group) + head) * headDim) + d]).ShouldBe(expected[d], 2e-5, $"{isa} {headDim} {blockSize} {group} {first} {tokens}");
                }
            }
        }
    }

    private static double[] Attend(ReadOnlySpan<float> q, float[] k, float[] v, int keys, int kvHeads, int kvHead, int headDim, bool narrow)
    {
        var weights = new double[keys];
        for (int key = 0; key < keys; key++)
        {
            for (int d = 0; d < headDim; d++)
            {
                weights[key] += 0.3f * q[d] * Stored(k[(((key * kvHeads) + kvHead) * headDim) + d], narrow);
            }
        }

        double max = weights.Max();
        weights = [.. weights.Select(w => Math.Exp(w - max))];
        double sum = weights.Sum();
        var result = new double[headDim];
        for (int key = 0; key < keys; key++)
        {
            for (int d = 0; d < headDim; d++)
            {
                result[d] += weights[key] / sum * Stored(v[(((key * kvHeads) + kvHead) * headDim) + d], narrow);
            }
        }

        return result;
    }

    private static DecoderSpec TinySpec(int headDim, int kvHeads, int group) => new()
    {
        Architecture = "test",
        VocabSize = 1,
        HiddenSize = headDim,
        EmbeddingSize = headDim,
        IntermediateSize = 1,
        NumLayers = 1,
        NumHeads = kvHeads * group,
        NumKvHeads = kvHeads,
        HeadDim = headDim,
        MaxPositionEmbeddings = 1024,
        NormKind = NormKind.Rms,
        NormEpsilon = 1e-5f,
        Activation = Activation.Silu,
        GatedMlp = true,
        Positions = new RotaryPositions(10000, null),
        Tensors = new DecoderTensors { TokenEmbedding = "e", Layers = [] },
    };

    private static float Stored(float value, bool narrow) =>
        narrow ? BitConverter.Int32BitsToSingle(BFloat16Element.Round(value) << 16) : value;

    private static float[] Random(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 4) - 2))];

    private static delegate*<in AttentionTile, void> AttendOn(InstructionSet isa, bool narrow) => (isa, narrow) switch
    {
        ( >= InstructionSet.Avx512, false) => &AttentionKernel<Vector512<float>, Simd512, Float32Element>.Run,
        ( >= InstructionSet.Avx512, true) => &AttentionKernel<Vector512<float>, Simd512, BFloat16Element>.Run,
        ( >= InstructionSet.Avx2, false) => &AttentionKernel<Vector256<float>, Simd256, Float32Element>.Run,
        ( >= InstructionSet.Avx2, true) => &AttentionKernel<Vector256<float>, Simd256, BFloat16Element>.Run,
        (_, false) => &AttentionKernel<Vector128<float>, Simd128, Float32Element>.Run,
        _ => &AttentionKernel<Vector128<float>, Simd128, BFloat16Element>.Run,
    };
}
