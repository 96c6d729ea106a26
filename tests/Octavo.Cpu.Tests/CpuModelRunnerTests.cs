using Octavo.Cpu.Threading;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Testing;

namespace Octavo.Cpu.Tests;

public sealed class CpuModelRunnerTests
{
    [Fact]
    public void Run_PathsOfOneMachine_AgreeClosely()
    {
        int[] ids = [.. Enumerable.Range(0, 50).Select(i => 200 + (i * 53 % 3500))];
        using var widest = new TestRunner(Repository.TalesModel);
        widest.Runner.InstructionSet.ShouldBe(ProcessorFeatures.Selected);
        float[] expected = widest.AllLogits(ids)[^1];
        foreach (InstructionSet isa in Enum.GetValues<InstructionSet>().Where(i => i < ProcessorFeatures.Selected))
        {
            using var other = new TestRunner(Repository.TalesModel, isa: isa);
            other.Runner.InstructionSet.ShouldBe(isa);
            float[] actual = other.AllLogits(ids)[^1];
            for (int i = 0; i < expected.Length; i++)
            {
                // Words are made only for those that are not.
                if (!(MathF.Abs(actual[i] - expected[i]) <= 1e-4f))
                {
                    actual[i].ShouldBe(expected[i], 1e-4f, $"{isa} logit {i}");
                }
            }
        }
    }

    /// <summary>A checkpoint's scales of keys and values are those of its layers' cache.</summary>
    [Fact]
    public void Run_Float8CacheWithStoredScales_TakesThem()
    {
        int[] ids = [.. Enumerable.Range(0, 50).Select(i => 200 + (i * 53 % 3500))];
        float[] plain = Last(Repository.TalesModel, KvCacheFormat.Float32);

        // Other numbers are rounded, but no more coarsely; a cache in another format knows nothing of them.
        using TalesVariant fine = WithScales(0.05f);
        float[] scaled = Last(fine.Path, KvCacheFormat.Fp8), unscaled = Last(Repository.TalesModel, KvCacheFormat.Fp8);
        scaled.ShouldNotBe(unscaled);
        Distance(scaled).ShouldBeInRange(1e-4, 0.1);
        Distance(unscaled).ShouldBeInRange(1e-4, 0.1);
        Distance(Last(fine.Path, KvCacheFormat.Float32)).ShouldBe(0);

        // So large a scale leaves nothing but zeros.
        using TalesVariant coarse = WithScales(1e6f);
        Distance(Last(coarse.Path, KvCacheFormat.Fp8)).ShouldBeGreaterThan(1);

        float[] Last(string directory, KvCacheFormat format)
        {
            using var runner = new TestRunner(directory, kvCache: format);
            return runner.AllLogits(ids)[^1];
        }

        double Distance(float[] logits) => Math.Sqrt(logits.Zip(plain, (a, b) => Math.Pow(a - b, 2)).Average());

        static TalesVariant WithScales(float scale) => new TalesVariant().WithTensors(tensors => tensors.Concat(
            Enumerable.Range(0, 10).Select(i => new TensorSource(
                $"model.layers.{i / 2}.self_attn.{"kv"[i % 2]}_scale", TensorType.Float32, [1],
                BitConverter.GetBytes(scale)))));
    }

    [Fact]
    public void Constructor_BadOptions_SayWhatWouldBeRight()
    {
        Should.Throw<EngineConfigurationException>(() => new TestRunner(Repository.TalesModel, blockSize: 20)).Message
            .ShouldContain("multiple of 16");
        Should.Throw<EngineConfigurationException>(() => new TestRunner(Repository.TalesModel, threads: 0)).Message
            .ShouldContain("Threads");
    }

    [Theory]
    [InlineData("float32")]
    [InlineData("bf16")]
    [InlineData("int8")]
    [InlineData("int4-weight")]
    public void WeightBytes_OfAPlan_AreWhatTheRunnerTakes(string scheme)
    {
        using var model = new TestRunner(Repository.TalesModel, scheme);

        model.Runner.WeightBytes.ShouldBe(model.Runner.Plan.WeightBytes);
        new CpuPlan(model.Description.Spec, null, model.Runner.Plan.Request).WeightBytes.ShouldBe(
            model.Runner.WeightBytes);
    }

    [Fact]
    public void ActivationBytes_StepOfMoreBytesThanAnIntegerHolds_AreCounted()
    {
        using var model = new TestRunner(Repository.TalesModel);
        PlanRequest request = model.Runner.Plan.Request;
        long BytesFor(int tokens) => new CpuPlan(
            model.Description.Spec, null, request with { MaxNumBatchedTokens = tokens }).ActivationBytes;

        BytesFor(1_000_000_000).ShouldBe(BytesFor(1) * 1_000_000_000);
    }
}
