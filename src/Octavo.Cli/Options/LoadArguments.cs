using System.CommandLine;
using Octavo.Cli.Terminal;
using Octavo.Lab.Measuring;
using Octavo.Lab.Workloads;

namespace Octavo.Cli.Options;

/// <summary>What commands that put a load on a model have in common: the model, the load, the targets.</summary>
/// <param name="defaultWorkload">The load that is put on it where none is named.</param>
/// <param name="groups">Options of the engine beside the targets.</param>
internal sealed class LoadArguments(string defaultWorkload, params Setting<EngineOptions>[][] groups)
{
    private const int RandomLength = 2048;
    private const int RandomCacheTokens = 64 * 1024;

    private readonly Argument<string?> _model = new("MODEL")
    {
        Description = ModelLocator.Takes + "; 135m or 1b for random weights of that shape in int8. [default: the "
            + "bundled story-teller, tales]",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _workload = OptionKinds
        .Text("--workload", "W", $"The load: {WorkloadText.Help}. [default: {defaultWorkload}]");

    private readonly EngineArguments _engine = new([EngineSettings.Targets, .. groups]) { CountsGoodput = true };

    /// <summary>Adds them to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_model);
        command.Add(_workload);
        _engine.AddTo(command);
    }

    /// <summary>The engine's options.</summary>
    public EngineOptions Options(ParseResult result) => _engine.Read(result);

    /// <summary>Loads the model.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="maxNumSeqs">The most requests at once that its cache is sized for.</param>
    public LoadedModel Load(ParseResult result, int maxNumSeqs = SchedulingOptions.DefaultMaxNumSeqs)
    {
        string? name = result.GetValue(_model);
        EngineOptions options = Options(result) with { Scheduling = new SchedulingOptions { MaxNumSeqs = maxNumSeqs } };
        ModelShape? shape = ModelShape.All.FirstOrDefault(s => s.Name == name);
        ProgressLine.Show("loading " + (name ?? ModelLocator.BundledName));
        return shape is null ? LoadedModel.Load(ModelLocator.Find(name), options) : Random(shape, options);
    }

    /// <summary>The load as it was written.</summary>
    public string Text(ParseResult result) => result.GetValue(_workload) ?? defaultWorkload;

    /// <summary>The load.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="maxLength">Longer sequences are cut.</param>
    /// <param name="requests">How many requests, where the load does not say.</param>
    public Workload Workload(ParseResult result, int maxLength, int requests = 100)
    {
        try
        {
            return WorkloadText.Parse(Text(result), new Workload { MaxLength = maxLength, Requests = requests });
        }
        catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException)
        {
            throw new UsageException("--workload: " + e.Message);
        }
    }

    private static LoadedModel Random(ModelShape shape, EngineOptions options)
    {
        ModelOptions model = options.Model;
        var usable = new ModelOptions
        {
            Quantization = model.Quantization,
            Threads = model.Threads,
            MaxModelLen = model.MaxModelLen,
        };
        UsageException.ThrowIf(
            model != usable || options.Memory != new MemoryOptions(),
            $"{shape.Name} has random weights: only --quantization, --threads and --max-model-len go with it");

        return LoadedModel.Random(
            shape,
            ModelPlan.SchemeNamed(model.Quantization ?? "int8"),
            model.MaxModelLen ?? RandomLength,
            RandomCacheTokens,
            SchedulingOptions.DefaultMaxNumBatchedTokens,
            model.Threads);
    }
}
