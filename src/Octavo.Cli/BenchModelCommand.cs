using System.CommandLine;
using Octavo.Cpu.Kernels;
using Octavo.Cpu.Measuring;

namespace Octavo.Cli;

/// <summary><c>octavo bench model</c>: whole steps of a random model, prefill and decode.</summary>
internal sealed class BenchModelCommand
{
    private const int StepsBetweenLooks = 4;

    private static readonly WeightFormat[] Formats = [.. ModelPlan.QuantizationSchemes.Select(ModelPlan.SchemeNamed)];
    private static readonly KvCacheFormat[] CacheFormats = Enum.GetValues<KvCacheFormat>();

    private readonly BenchArguments _arguments = new();

    private readonly Option<int> _scheme = OptionKinds.Choice(
        "--scheme", "How the weights are stored.", [.. ModelPlan.QuantizationSchemes.Select((s, i) => (s, i))]);

    private readonly Option<int> _kvCacheDtype = OptionKinds.Choice(
        "--kv-cache-dtype",
        "How keys and values are stored; auto is what the engine would take for these weights.",
        [("auto", 0), .. CacheFormats.Select((f, i) => (f.ToString().ToLowerInvariant(), i + 1))]);

    private readonly Option<int?> _prompt = OptionKinds.Integer("--prompt", "Tokens of the prompt that is prefilled; 0 leaves it out. [default: 512]");

    private readonly Option<IReadOnlyList<int>?> _batches = OptionKinds.Integers(
        "--batches", "Sequences that decode at once, one measurement for each number. [default: 1,2,4,8,16,32,64]");

    private readonly Option<IReadOnlyList<int>?> _contexts = OptionKinds.Integers(
        "--contexts", "Tokens that each of them has behind it. [default: 128,4096]");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new BenchModelCommand();
        var command = new Command(
            "model", "Time prefill, and decode at several batch sizes, of a model with random weights made on the spot, beside the ceilings of this machine.")
        {
            it._scheme, it._kvCacheDtype, it._prompt, it._batches, it._contexts,
        };
        it._arguments.AddTo(command);
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        ModelShape shape = _arguments.Shape(result);
        ModelBenchmarkOptions options = Options(result);
        MachineCeilings ceilings = Look(null, options.Threads);
        List<StepMeasurement> steps = [];
        BenchOutput.Progress($"making the model, shape {shape.Name}");
        using var benchmark = new ModelBenchmark(shape, options, MachineMemory.Read().Free / 10 * 9);   // a tenth for everybody else
        double before = MachineCeilings.MeasureReadBandwidth(options.Threads);
        foreach (StepMeasurement step in benchmark.Measure(BenchOutput.Progress))
        {
            double behind = MachineCeilings.MeasureReadBandwidth(options.Threads);
            steps.Add(step with { ReadBandwidth = Math.Max(before, behind) });
            before = behind;
            if (steps.Count % StepsBetweenLooks == 0)
            {
                ceilings = Look(ceilings, options.Threads);
            }
        }

        ceilings = Look(ceilings, options.Threads);
        var report = new BenchModelReport(
            shape, ModelPlan.QuantizationSchemes[result.GetValue(_scheme)], options, ceilings, benchmark.WeightBytes, steps, benchmark.Skipped);
        BenchOutput.Progress(string.Empty);
        if (_arguments.Json(result))
        {
            Terminal.Out.WriteLine(report.ToJson());
        }
        else
        {
            report.WriteTables(InspectTables.Console());
        }

        Terminal.Out.Flush();
        return ExitCode.Success;
    }

    /// <summary>Looks at the ceilings again: on a machine that others use, too, the highest of several looks is nearest to the truth.</summary>
    private static MachineCeilings Look(MachineCeilings? before, int? threads)
    {
        BenchOutput.Progress("ceilings of this machine");
        MachineCeilings now = MachineCeilings.Measure(threads);
        return before?.Or(now) ?? now;
    }

    private ModelBenchmarkOptions Options(ParseResult result)
    {
        WeightFormat weights = Formats[result.GetValue(_scheme)];
        int cache = result.GetValue(_kvCacheDtype);
        var defaults = new ModelBenchmarkOptions
        {
            Weights = weights,
            KvCache = cache == 0 ? ModelPlan.DefaultKvCache(weights) : CacheFormats[cache - 1],
            Threads = _arguments.Threads(result),
        };
        ModelBenchmarkOptions options = defaults with
        {
            PromptTokens = result.GetValue(_prompt) ?? defaults.PromptTokens,
            Batches = result.GetValue(_batches) ?? defaults.Batches,
            Contexts = result.GetValue(_contexts) ?? defaults.Contexts,
        };
        Check(options.PromptTokens is >= 0 and <= 131072, $"--prompt must be between 0 and 131072; it is {options.PromptTokens}");
        Check(options.Batches.All(b => b is >= 1 and <= 4096), "--batches must be between 1 and 4096");
        Check(options.Contexts.All(c => c is >= 0 and <= 131072), "--contexts must be between 0 and 131072");
        return options;
    }

    private static void Check(bool holds, string message)
    {
        if (!holds)
        {
            throw new UsageException(message);
        }
    }
}
