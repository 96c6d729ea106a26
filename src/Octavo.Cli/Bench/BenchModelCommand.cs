using System.CommandLine;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Formats.Stored;
using Octavo.Lab.Measuring;

namespace Octavo.Cli.Bench;

/// <summary><c>octavo bench model</c>: whole steps of a model, prefill and decode.</summary>
internal sealed class BenchModelCommand
{
    private static readonly KvCacheFormat[] CacheFormats = Enum.GetValues<KvCacheFormat>();

    private const string AsStored = "as stored";

    private readonly BenchArguments _arguments = new();

    private readonly Option<string?> _model = OptionKinds.Text(
        "--model",
        "MODEL",
        ModelLocator.Takes + ", or a GGUF file, in place of one of a shape with random weights.");

    private readonly Option<int> _inputs = OptionKinds.Choice(
        "--dtype",
        "How a model in GGUF is computed: auto rounds activations to eight bits for its quantized weights, float32 "
            + "does not.",
        [("auto", 0), ("float32", 1)]);

    private readonly Option<IReadOnlyList<string>?> _schemes = OptionKinds.Choices(
        "--scheme",
        "How the weights are stored; several are measured in turn, step by step, and compared with the first.",
        [.. WeightScheme.Names.Select(s => (s, s))]);

    private readonly Option<HeadQuantization> _head = EngineSettings.QuantizeHead();

    private readonly Option<int> _kvCacheDtype = OptionKinds.Choice(
        "--kv-cache-dtype",
        "How keys and values are stored; auto is what the engine would take for these weights.",
        [("auto", 0), .. CacheFormats.Select((f, i) => (f.ToString().ToLowerInvariant(), i + 1))]);

    private readonly Option<int?> _prompt = OptionKinds
        .Integer("--prompt", "Tokens of the prompt that is prefilled; 0 leaves it out. [default: 512]");

    private readonly Option<IReadOnlyList<int>?> _batches = OptionKinds.Integers(
        "--batches", "Sequences that decode at once, one measurement for each number. [default: 1,2,4,8,16,32,64]");

    private readonly Option<IReadOnlyList<int>?> _contexts = OptionKinds.Integers(
        "--contexts", "Tokens that each of them has behind it. [default: 128,4096]");

    private readonly Option<int?> _rounds = OptionKinds.Integer(
        "--rounds", "How often all of it is measured; medians are shown. [default: 1]");

    private readonly Option<string?> _sampling = SamplingOption.One(
        "Draw a token from each row, too, which the steps are timed with. [default: none is drawn]");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new BenchModelCommand();
        var command = new Command(
            "model",
            "Time prefill, and decode at several batch sizes, of a model with random weights made on the spot, or of "
                + "one's own, beside the ceilings of this machine.")
        {
            it._model, it._inputs, it._schemes, it._head, it._kvCacheDtype, it._prompt, it._batches, it._contexts,
            it._rounds, it._sampling,
        };
        it._arguments.AddTo(command);
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        ModelShape shape = _arguments.Shape(result);
        string? model = result.GetValue(_model) is { } named ? ModelLocator.Find(named) : null;
        string[] schemes =
            [.. result.GetValue(_schemes) ?? [model is null ? WeightScheme.Names[0] : AsStored]];
        ModelScheme[] stored = [.. schemes.Select(s => new ModelScheme(s, result.GetValue(_head), Options(result, s)))];
        int rounds = result.GetValue(_rounds) ?? 1;
        Check(rounds is >= 1 and <= 1000, $"--rounds must be between 1 and 1000; it is {rounds}");
        (MachineCeilings ceilings, IReadOnlyList<ModelFigures> models) = new ModelComparison(
            () => model is null ? BenchedModel.Random(shape) : BenchedModel.Open(model), stored, ProgressLine.Show)
            .Run(rounds);
        BenchSubject subject = model is null ? BenchSubject.Of(shape) : BenchSubject.Of(model);
        Write(new BenchModelReport(subject, ceilings, models), _arguments.Json(result));
        return ExitCode.Success;
    }

    private static void Write(BenchModelReport report, bool json)
    {
        ProgressLine.Show(string.Empty);
        if (json)
        {
            Stdio.Out.WriteLine(report.ToJson());
        }
        else
        {
            report.WriteTables(Tables.Console());
        }

        Stdio.Out.Flush();
    }

    private ModelBenchmarkOptions Options(ParseResult result, string scheme)
    {
        WeightScheme weights = scheme == AsStored ? WeightScheme.Float32 : ModelPlan.SchemeNamed(scheme);
        StoredActivations inputs =
            result.GetValue(_inputs) == 0 ? StoredActivations.Int8 : StoredActivations.Plain;
        int cache = result.GetValue(_kvCacheDtype);
        var defaults = new ModelBenchmarkOptions
        {
            Weights = weights,
            Head = ModelPlan.HeadScheme(result.GetValue(_head), weights, stored: WeightScheme.BFloat16),
            BlockInputs = inputs,
            KvCache = cache != 0 ? CacheFormats[cache - 1]
                : scheme == AsStored && inputs == StoredActivations.Int8 ? KvCacheFormat.BFloat16
                : ModelPlan.DefaultKvCache(weights),
            Threads = _arguments.Threads(result),
            Sampling = result.GetValue(_sampling),
        };
        ModelBenchmarkOptions options = defaults with
        {
            PromptTokens = result.GetValue(_prompt) ?? defaults.PromptTokens,
            Batches = result.GetValue(_batches) ?? defaults.Batches,
            Contexts = result.GetValue(_contexts) ?? defaults.Contexts,
        };
        if (options.Sampling is { } text)
        {
            SamplingOption.Read(text);
        }

        Check(
            options.PromptTokens is >= 0 and <= 131072,
            $"--prompt must be between 0 and 131072; it is {options.PromptTokens}");
        Check(options.Batches.All(b => b is >= 1 and <= 4096), "--batches must be between 1 and 4096");
        Check(options.Contexts.All(c => c is >= 0 and <= 131072), "--contexts must be between 0 and 131072");
        return options;
    }

    private static void Check(bool holds, string message)
    {
        UsageException.ThrowIf(!holds, message);
    }
}
