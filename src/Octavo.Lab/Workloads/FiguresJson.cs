using System.Text.Json;

namespace Octavo.Lab.Workloads;

/// <summary>Settings and figures as members of a JSON object. Times are in seconds.</summary>
internal static class FiguresJson
{
    public static void Write(Utf8JsonWriter json, BatchSetting setting)
    {
        json.WriteString("batching", setting.Batching == BatchingMode.Fixed ? "fixed" : "adaptive");
        json.WriteNumber("max_num_seqs", setting.MaxNumSeqs);
        json.WriteNumber("max_num_batched_tokens", setting.MaxNumBatchedTokens);
    }

    public static BatchSetting ReadSetting(JsonElement json) => new(
        json.GetProperty("batching").GetString() == "fixed" ? BatchingMode.Fixed : BatchingMode.Adaptive,
        json.GetProperty("max_num_seqs").GetInt32(),
        json.GetProperty("max_num_batched_tokens").GetInt32());

    public static void Write(Utf8JsonWriter json, LoadFigures f)
    {
        json.WriteNumber("seconds", f.Seconds);
        json.WriteNumber("completed", f.Completed);
        json.WriteNumber("failed", f.Failed);
        json.WriteNumber("tokens_per_second", f.TokensPerSecond);
        json.WriteNumber("goodput", f.Goodput);
        json.WriteNumber("good_part", f.GoodPart);
        Write(json, "ttft", f.TimeToFirstToken);
        Write(json, "itl", f.InterTokenLatency);
    }

    public static LoadFigures ReadFigures(JsonElement json) => new()
    {
        Seconds = json.GetProperty("seconds").GetDouble(),
        Completed = json.GetProperty("completed").GetInt32(),
        Failed = json.GetProperty("failed").GetInt32(),
        TokensPerSecond = json.GetProperty("tokens_per_second").GetDouble(),
        Goodput = json.GetProperty("goodput").GetDouble(),
        GoodPart = json.GetProperty("good_part").GetDouble(),
        TimeToFirstToken = ReadQuantiles(json, "ttft"),
        InterTokenLatency = ReadQuantiles(json, "itl"),
    };

    private static void Write(Utf8JsonWriter json, string name, (double P50, double P95, double P99) quantiles)
    {
        json.WriteNumber(name + "_p50", quantiles.P50);
        json.WriteNumber(name + "_p95", quantiles.P95);
        json.WriteNumber(name + "_p99", quantiles.P99);
    }

    private static (double, double, double) ReadQuantiles(JsonElement json, string name) =>
        (
            json.GetProperty(name + "_p50").GetDouble(),
            json.GetProperty(name + "_p95").GetDouble(),
            json.GetProperty(name + "_p99").GetDouble());
}
