using Octavo.Engine;

namespace Octavo.Tests;

public sealed class EngineOptionsTests
{
    [Fact]
    public void Validate_SeveralFaults_NamesThemAll()
    {
        var options = new EngineOptions
        {
            Model = new() { Quantization = "int3", MaxModelLen = 1, Threads = 0 },
            Memory = new() { BlockSize = 20, MemoryFraction = 2 },
            Scheduling = new()
            {
                MaxNumSeqs = 0,
                Targets = new()
                {
                    InterToken = TimeSpan.Zero,
                    FirstToken = TimeSpan.FromMilliseconds(-1),
                    Percentile = 0.2,
                },
                KvCacheWatermark = -1,
                PriorityAgeing = TimeSpan.Zero,
                ClientWeights = new Dictionary<string, double> { ["secret"] = 0 },
            },
            Admission = new()
            {
                MaxQueue = -1,
                MaxQueueWait = TimeSpan.FromSeconds(-2),
                RequestTimeout = TimeSpan.Zero,
            },
            Sampling = new() { MaxLogprobs = -2 },
            Metrics =
                new() { CustomHistogramBuckets = new Dictionary<string, IReadOnlyList<double>> { ["tokens"] = [1] } },
        };

        EngineConfigurationException e = Should.Throw<EngineConfigurationException>(options.Validate);

        e.Faults.Select(f => f.Parameter).OfType<string>().ShouldBe(
        [
            "Quantization", "MaxModelLen", "Threads", "BlockSize", "MemoryFraction", "MaxNumSeqs", "InterToken", "FirstToken",
            "Percentile", "KvCacheWatermark", "PriorityAgeing", "ClientWeights", "MaxQueue", "MaxQueueWait", "RequestTimeout",
            "MaxLogprobs",
        ]);
        e.Message.ShouldContain("CustomHistogramBuckets: unknown family tokens");
        e.Message.ShouldContain("FirstToken must be above 0; it is -1ms");
        e.Message.ShouldNotContain("secret");
        e.Describe(name => $"--{name}").ShouldStartWith("--Quantization must be one of float32, bf16");
    }

    [Fact]
    public void Validate_Defaults_NothingIsWrong() => new EngineOptions().Validate();
}
