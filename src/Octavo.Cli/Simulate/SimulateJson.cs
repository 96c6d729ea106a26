using System.Text.Json;
using Octavo.Lab;
using Octavo.Lab.Scenarios;
using Octavo.Lab.Simulation;
using Octavo.Lab.Workloads;

namespace Octavo.Cli.Simulate;

/// <summary>What <c>octavo simulate --json</c> prints. Times are in seconds.</summary>
internal static class SimulateJson
{
    /// <summary>
    /// A load, simulated; with <paramref name="rounds"/> also measured, the figures then being medians of all rounds.
    /// </summary>
    public static string OfLoad(
        string workload, int requests, SimulationOptions options, LoadFigures? simulated, IReadOnlyList<(LoadFigures Simulated, LoadFigures Measured)> rounds) => JsonText.Of(json =>
    {
        WriteHead(json, workload, options);
        json.WriteNumber("requests", requests);
        Write(json, "simulated", simulated ?? LoadFigures.Medians([.. rounds.Select(r => r.Simulated)]));
        if (rounds.Count == 0)
        {
            return;
        }

        Write(json, "measured", LoadFigures.Medians([.. rounds.Select(r => r.Measured)]));
        json.WriteStartArray("rounds");
        foreach ((LoadFigures inSimulation, LoadFigures measured) in rounds)
        {
            json.WriteStartObject();
            Write(json, "simulated", inSimulation);
            Write(json, "measured", measured);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    /// <summary>Scenarios, each with what every setting reached.</summary>
    public static string OfScenarios(
        SimulationOptions options,
        IReadOnlyList<(string Title, IReadOnlyList<ScenarioResult> Results)> parts) => JsonText.Of(json =>
    {
        WriteHead(json, null, options);
        foreach ((string title, IReadOnlyList<ScenarioResult> results) in parts)
        {
            json.WriteStartArray(title.Split(':')[0]);
            foreach (ScenarioResult result in results)
            {
                Write(json, result);
            }

            json.WriteEndArray();
        }
    });

    private static void Write(Utf8JsonWriter json, ScenarioResult result)
    {
        json.WriteStartObject();
        json.WriteString("scenario", result.Scenario);
        json.WriteStartArray("settings");
        foreach (BatchSetting setting in result.Rounds.Keys)
        {
            json.WriteStartObject();
            FiguresJson.Write(json, setting);
            json.WriteNumber("goodput", result.Goodput(setting));
            json.WriteNumber("over_best_fixed", result.Relative(setting));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteHead(Utf8JsonWriter json, string? workload, SimulationOptions options)
    {
        json.WriteStartArray("step_time");
        foreach (double coefficient in options.StepTimes.Coefficients)
        {
            json.WriteNumberValue(coefficient);
        }

        json.WriteEndArray();
        json.WriteNumber("step_noise", options.StepTimes.Noise);
        json.WriteNumber("target_itl", options.Scheduling.Targets.InterToken.TotalSeconds);
        if (options.Scheduling.Targets.FirstToken is { } first)
        {
            json.WriteNumber("target_ttft", first.TotalSeconds);
        }

        if (workload is null)
        {
            return;
        }

        json.WriteString("workload", workload);
        json.WriteNumber("replicas", options.Replicas);
        FiguresJson.Write(json, BatchSetting.Of(options.Scheduling));
    }

    private static void Write(Utf8JsonWriter json, string name, LoadFigures figures)
    {
        json.WriteStartObject(name);
        FiguresJson.Write(json, figures);
        json.WriteEndObject();
    }
}
