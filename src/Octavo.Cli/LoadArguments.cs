using System.CommandLine;
using Octavo.Cpu.Measuring;
using Octavo.Engine.Workloads;
using Spectre.Console;

namespace Octavo.Cli;

/// <summary>What commands that put a load on a model have in common: the model, the load, the targets.</summary>
internal sealed class LoadArguments
{
    private const int RandomLength = 2048;
    private const int RandomCacheTokens = 64 * 1024;

    private readonly Argument<string?> _model = new("MODEL")
    {
        Description = "The model's directory; 135m or 1b for random weights of that shape in int8. [default: the bundled story-teller, tales]",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _workload = OptionKinds.Text("--workload", "W", $"The load: {WorkloadText.Help}. [default: poisson rate=2]");
    private readonly Option<TimeSpan?> _itl = OptionKinds.Duration("--target-itl", "Longest time between two tokens, for 95 % of them. [default: 100ms]");
    private readonly Option<TimeSpan?> _ttft = OptionKinds.Duration("--target-ttft", "Longest time to the first token. [default: none]");

    /// <summary>Adds them to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_model);
        command.Add(_workload);
        command.Add(_itl);
        command.Add(_ttft);
    }

    /// <summary>The targets.</summary>
    public BatchingTargets Targets(ParseResult result) =>
        new() { InterToken = result.GetValue(_itl) ?? new BatchingTargets().InterToken, FirstToken = result.GetValue(_ttft) };

    /// <summary>Loads the model.</summary>
    public LoadedModel Load(ParseResult result)
    {
        string? name = result.GetValue(_model);
        ModelShape? shape = ModelShape.All.FirstOrDefault(s => s.Name == name);
        BenchOutput.Progress("loading " + (name ?? ModelLocator.BundledName));
        return shape is null
            ? LoadedModel.Load(ModelLocator.Find(name), new EngineOptions())
            : LoadedModel.Random(shape, ModelPlan.SchemeNamed("int8"), RandomLength, RandomCacheTokens, 2048, null);
    }

    /// <summary>The load.</summary>
    public Workload Workload(ParseResult result, int maxLength)
    {
        try
        {
            return WorkloadText.Parse(result.GetValue(_workload) ?? "poisson rate=2", new Workload { MaxLength = maxLength });
        }
        catch (Exception e) when (e is FormatException or IOException)
        {
            throw new UsageException("--workload: " + e.Message);
        }
    }

    /// <summary>A table for <see cref="AddRow"/>.</summary>
    public static Table FiguresTable(string title) => new Table { Title = new TableTitle(Markup.Escape(title)) }.AddColumns(
        "what", "tokens/s", "requests/s that met the targets", "of all", "first token p50 / p95, ms", "between tokens p50 / p95 / p99, ms");

    /// <summary>Figures as a row.</summary>
    public static void AddRow(Table table, string name, LoadFigures f)
    {
        table.AddRow(
            name,
            BenchOutput.Number(f.TokensPerSecond, 0),
            BenchOutput.Number(f.Goodput, 2),
            BenchOutput.Percent(f.GoodPart),
            $"{Milli(f.TimeToFirstToken.P50)} / {Milli(f.TimeToFirstToken.P95)}",
            $"{Milli(f.InterTokenLatency.P50)} / {Milli(f.InterTokenLatency.P95)} / {Milli(f.InterTokenLatency.P99)}");

        static string Milli(double seconds) => BenchOutput.Number(seconds * 1000, seconds < 0.1 ? 1 : 0);
    }
}
