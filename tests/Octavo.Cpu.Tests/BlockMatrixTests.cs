using Octavo.Cpu.Linears;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Panels;
using Octavo.Cpu.Simd;
using Octavo.Cpu.Threading;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Cpu.Tests;

/// <summary>Linear layers over GGUF's blocks, on every instruction set, against plain C#.</summary>
public sealed unsafe class BlockMatrixTests
{
    private const int Inputs = 512;
    private const int Outputs = 45;

    private static readonly TensorType[][] Stacks =
    [
        .. Enum.GetValues<TensorType>().Where(type => type.HasBlocks()).Select(type => new[] { type }),
        [TensorType.Q4K, TensorType.Q4K, TensorType.Q6K],
        [TensorType.Q40, TensorType.Q41, TensorType.Q40],
        [TensorType.Q4K, TensorType.IQ4Nl],
        [TensorType.Q80, TensorType.IQ4Xs, TensorType.Q5K],
        [TensorType.Q2K, TensorType.Q3K, TensorType.Q5K],
    ];

    public static TheoryData<string, int> Paths()
    {
        var data = new TheoryData<string, int>();
        foreach (InstructionSet isa
            in TestRunner.InstructionSets.Where(i => !(TestRunner.Emulated && i == InstructionSet.Portable)))
        {
            for (int stack = 0; stack < Stacks.Length; stack++)
            {
                data.Add($"{isa}", stack);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void Run_EightBitActivations_GivesTheTwinsBits(string kernels, int stack)
    {
        float[] expected = Run(kernels, stack, InputCode.Int8, out float[] actual, Integers);
        actual.ShouldBe(expected);
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void Run_Float32Activations_GivesTheTwinsBits(string kernels, int stack)
    {
        float[] expected = Run(kernels, stack, InputCode.Float32, out float[] actual, Floats);
        actual.ShouldBe(expected);
    }

    /// <summary>Codes, scales and minimums are all that a block's numbers are made of.</summary>
    [Fact]
    public void ReadRow_EveryType_IsWhatItsCodesSay()
    {
        foreach (TensorType type in Stacks.Where(stack => stack.Length == 1).Select(stack => stack[0]))
        {
            using Checkpoint blocks = Random(type, 1);
            var matrix = new BlockMatrix(blocks.Get("w"), null, InputCode.Int8);
            (float[] numbers, int group) = (new float[Inputs], matrix.Stored!.GroupSize);
            Coded coded = Read(matrix, matrix.Stored, 3);
            matrix.ReadRow(3, numbers);
            for (int k = 0; k < Inputs; k++)
            {
                float value = (coded.Scales[k / group] * coded.Codes[k]) - coded.Minimums[k / group];
                value.ShouldBe(numbers[k], $"{type} {k}");
            }
        }
    }

    private static float[] Run(
        string kernels, int stack, InputCode input, out float[] actual,
        Func<Coded, float[], LinearScheme, float> multiply)
    {
        const int Rows = 13;
        InstructionSet isa = Enum.Parse<InstructionSet>(kernels);
        Checkpoint[] blocks = [.. Stacks[stack].Select((type, i) => Random(type, (10 * stack) + i))];
        BlockMatrix[] parts = [.. blocks.Select(one => new BlockMatrix(one.Get("w"), null, input))];
        MatrixSource source = parts.Length == 1 ? parts[0] : new StackedMatrix(parts);
        LinearScheme scheme = source.Stored.ShouldNotBeNull();
        using var linear = new Linear(source, scheme, isa);

        var random = new Random(stack);
        float[][] x = [.. Enumerable.Range(0, Rows).Select(_ =>
            Enumerable.Range(0, Inputs).Select(_ => (float)((random.NextDouble() * 4) - 2)).ToArray())];
        using var team = new ThreadTeam(1);
        using var inputs = new ActivationBuffer(Rows, [linear.Layout]);
        inputs.Begin(Rows);
        for (int row = 0; row < Rows; row++)
        {
            fixed (float* values = x[row])
            {
                inputs.Store(linear.Layout, row, values);
            }
        }

        using var output = NativeBuffer.OfFloats(Rows * source.Rows);
        team.Run(new Work(linear, inputs, Rows, new LinearOutput(output.Floats, source.Rows, source.Rows)));
        actual = new ReadOnlySpan<float>(output.Floats, Rows * source.Rows).ToArray();
        float[] expected = [.. x.SelectMany(row => Enumerable.Range(0, source.Rows).Select(feature =>
            multiply(Read(source, scheme, feature), row, scheme)))];
        Array.ForEach(blocks, one => one.Dispose());
        return expected;
    }

    private static float Integers(Coded w, float[] x, LinearScheme scheme)
    {
        float y = 0;
        int group = scheme.GroupSize;
        for (int g = 0; g < Inputs / group; g++)
        {
            float most = 0;
            for (int k = g * group; k < (g + 1) * group; k++)
            {
                most = Math.Max(most, Math.Abs(x[k]));
            }

            (float factor, float scale) = (127f / most, most / 127f);
            (int sum, int inputs) = (0, 0);
            for (int k = g * group; k < (g + 1) * group; k++)
            {
                int code = (int)MathF.Round(x[k] * factor);
                sum += w.Codes[k] * code;
                inputs += code;
            }

            y = MathF.FusedMultiplyAdd(sum * w.Scales[g], scale, y);
            y = scheme.Minimums ? MathF.FusedMultiplyAdd(w.Minimums[g], scale * -inputs, y) : y;
        }

        return y;
    }

    private static float Floats(Coded w, float[] x, LinearScheme scheme)
    {
        float y = 0;
        int group = scheme.GroupSize;
        for (int g = 0; g < Inputs / group; g++)
        {
            float sum = 0;
            float[] quarters = new float[4];
            for (int k = g * group; k < (g + 1) * group; k++)
            {
                sum = MathF.FusedMultiplyAdd(w.Codes[k], x[k], sum);
                quarters[k % 4] += x[k];
            }

            y = MathF.FusedMultiplyAdd(sum, w.Scales[g], y);
            y = scheme.Minimums
                ? MathF.FusedMultiplyAdd(w.Minimums[g], -(quarters[0] + quarters[1] + (quarters[2] + quarters[3])), y)
                : y;
        }

        return y;
    }

    private static Coded Read(MatrixSource matrix, LinearScheme scheme, int row)
    {
        int groups = Inputs / scheme.GroupSize;
        (sbyte[] codes, float[] scales) = (new sbyte[Inputs], new float[groups]);
        float[] minimums = new float[groups];
        (Half[] scaleUnits, Half[] minimumUnits) = (new Half[groups], new Half[groups]);
        matrix.ReadCodes(row, scheme, new CodedRow(codes, scales, new int[groups], minimums)
        {
            ScaleUnits = scaleUnits,
            MinimumUnits = minimumUnits,
        });
        for (int g = 0; g < groups && scheme.Scales == ScaleCode.Products; g++)
        {
            scales[g] *= (float)scaleUnits[g * scheme.GroupSize / 256];
            minimums[g] *= scheme.Minimums ? (float)minimumUnits[g * scheme.GroupSize / 256] : 0;
        }

        return new Coded([.. codes.Select(code => scheme.Minimums ? (byte)code : (int)code)], scales, minimums);
    }

    /// <summary>Blocks of any bytes, but for their scales, which are numbers of a usual size.</summary>
    private static Checkpoint Random(TensorType type, int seed)
    {
        var random = new Random(seed);
        int count = Outputs * Inputs / type.BlockElements();
        byte[] bytes = new byte[count * type.BlockBytes()];
        random.NextBytes(bytes);
        for (int i = 0; i < count; i++)
        {
            Span<byte> block = bytes.AsSpan(i * type.BlockBytes(), type.BlockBytes());
            foreach (int at in ScalesOf(type))
            {
                BitConverter.TryWriteBytes(block[at..], (Half)((random.NextDouble() + 0.5) / 64));
            }

            if (type == TensorType.MxFloat4)
            {
                block[0] = (byte)random.Next(118, 124);
            }
            else if (type == TensorType.IQ1M)
            {
                // Four bits of the scale, 0x2000 to 0x2FFF, on top of each word of scales.
                block[55] = (byte)((block[55] & 0x0F) | 0x20);
            }
        }

        return Checkpoint.InMemory("blocks", [new TensorSource("w", type, [Outputs, Inputs], bytes)]);
    }

    private static int[] ScalesOf(TensorType type) => type switch
    {
        TensorType.Q41 or TensorType.Q51 or TensorType.Q4K or TensorType.Q5K => [0, 2],
        TensorType.Q2K => [80, 82],
        TensorType.Q3K => [108],
        TensorType.Q6K => [208],
        TensorType.TQ10 => [52],
        TensorType.TQ20 => [64],
        TensorType.MxFloat4 or TensorType.NvFloat4 or TensorType.IQ1M => [],
        _ => [0],
    };

    private sealed record Coded(int[] Codes, float[] Scales, float[] Minimums);

    private sealed class Work(Linear linear, ActivationBuffer input, int rows, LinearOutput output) : ITeamWork
    {
        public void Run(TeamMember member) => linear.Run(member, input, rows, output);
    }
}
