using Octavo.Cli.Options;
using Octavo.Cli.Terminal;

namespace Octavo.Cli.Tests;

public sealed class SettingsFileTests
{
    private static readonly Setting<EngineOptions>[] All =
    [
        .. EngineSettings.Loading,
        .. EngineSettings.Steps,
        .. EngineSettings.Seeds,
        .. EngineSettings.GenerationConfig,
        .. EngineSettings.Tokens,
        .. EngineSettings.Queue,
        .. EngineSettings.Metrics,
    ];

    [Fact]
    public void Write_ThenRead_IsTheSame()
    {
        var scheduling = new SchedulingOptions
        {
            Batching = BatchingMode.Fixed,
            MaxNumSeqs = 16,
            MaxNumBatchedTokens = 256,
            Targets = new() { InterToken = TimeSpan.FromMilliseconds(50) },
        };
        string text = SettingsFile.Write(scheduling);
        foreach (string written in new[] { text, "\uFEFF" + text })      // as some editors write it
        {
            SchedulingOptions read = Read(written).Scheduling;
            (read with { ClientWeights = scheduling.ClientWeights }).ShouldBe(scheduling);
        }
    }

    [Fact]
    public void Read_OptionsOfEveryKind_AreThoseOfTheCommandLine()
    {
        EngineOptions options = Read(
            """
            {"kv_cache_dtype": "int8", "kv_cache_memory": "64MiB", "max_model_len": 256, "threads": 1, "target_ttft": "2s",
             "target_percentile": 99, "request_timeout": 60, "no_enable_prefix_caching": true, "max_logprobs": -1,
             "client_weights": {"a=b": 2, "c": 0.5}, "custom_histogram_buckets": {"request_latency": [1, 2]}}
            """);
        options.Memory.ShouldBe(new MemoryOptions { KvCacheDtype = KvCacheDtype.Int8, KvCacheMemory = 64 << 20 });
        options.Model.ShouldBe(new ModelOptions { MaxModelLen = 256, Threads = 1 });
        options.Scheduling.Targets.ShouldBe(
            new BatchingTargets { FirstToken = TimeSpan.FromSeconds(2), Percentile = 0.99 });
        options.Scheduling.EnablePrefixCaching.ShouldBeFalse();
        options.Scheduling.ClientWeights.ShouldBe(new Dictionary<string, double> { ["a=b"] = 2, ["c"] = 0.5 });
        options.Admission.ShouldBe(new AdmissionOptions { RequestTimeout = TimeSpan.FromMinutes(1) });
        options.Sampling.MaxLogprobs.ShouldBe(-1);
        options.Metrics.CustomHistogramBuckets["request_latency"].ShouldBe([1, 2]);
    }

    [Theory]
    [InlineData("""{"max_num_seq": 4}""", "'max_num_seq' is unknown; did you mean max_num_seqs?")]
    [InlineData("""{"colour": 4}""", "'colour' is unknown; known: dtype, quantization,")]
    [InlineData(
        """{"max_num_seqs": 0, "max_queue": -1}""",
        "max_num_seqs must be at least 1; it is 0; max_queue must be at least 0")]
    [InlineData("""{"client_weights": [1]}""", "client_weights: takes an object of keys and weights")]
    [InlineData("""{"client_weights": {"a": -1}}""", "client_weights must be above 0 and below 1000000; it is -1")]
    [InlineData("""{"batching": "static"}""", "batching: --batching takes one of adaptive, fixed; it is 'static'")]
    [InlineData("[]", "it must hold one JSON object")]
    public void Read_WrongMember_NamesIt(string json, string message) =>
        Should.Throw<UsageException>(() => Read(json)).Message.ShouldContain(message);

    private static EngineOptions Read(string json)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, json);
            return SettingsFile.Read(path, All);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
