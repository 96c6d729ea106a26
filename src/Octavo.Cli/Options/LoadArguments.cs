using System.CommandLine;
using Octavo.Cli.Terminal;
using Octavo.Lab.Measuring;
using Octavo.Lab.Workloads;

namespace Octavo.Cli.Options;

/// <summary>What commands that put a load on a model have in common: the model, the load, the targets.</summary>
internal sealed class LoadArguments(string defaultWorkload = "poisson rate=2")
{
    private const int RandomLength = 2048;
    private const int RandomCacheTokens = 64 * 1024;

    private readonly Argument<string?> _model = new("MODEL")
    {
        Description = "The model's directory; 135m or 1b for random weights of that shape in int8. [default: the bundled story-teller, tales]",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _workload = OptionKinds.Text("--workload", "W", $"The load: {WorkloadText.Help}. [default: {defaultWorkload}]");
    private readonly Option<TimeSpan?> _itl = OptionKinds.Duration("--target-itl", "Longest time between two tokens, for 95% of them. [default: 100ms]");
    private readonly Option<TimeSpan?> _ttft = OptionKinds.Duration("--target-ttft", "Longest time to the first token. [default: none]");

    private readonly EngineArguments _engine = new();

    /// <summary>Adds them to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_model);
        command.Add(_workload);
        command.Add(_itl);
        command.Add(_ttft);
    }

    /// <summary>Adds the options of the model's weights and memory, which <c>octavo serve</c> has, too.</summary>
    public void AddEngineOptionsTo(Command command) => _engine.AddTo(
        command,
        EngineArguments.SkipTokenizerInit, EngineArguments.SeedOption, "--max-num-seqs", "--max-num-batched-tokens", "--batching",
        "--target-itl", "--target-ttft", "--target-percentile", "--no-enable-prefix-caching", "--generation-config", "--max-logprobs");

    /// <summary>The targets.</summary>
    public BatchingTargets Targets(ParseResult result) =>
        new() { InterToken = result.GetValue(_itl) ?? new BatchingTargets().InterToken, FirstToken = result.GetValue(_ttft) };

    /// <summary>Loads the model.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="maxNumSeqs">The most requests at once that its cache is sized for.</param>
    public LoadedModel Load(ParseResult result, int maxNumSeqs = 128)
    {
        string? name = result.GetValue(_model);
        EngineOptions options = _engine.Read(result) with { MaxNumSeqs = maxNumSeqs };
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
        EngineOptions usable = new EngineOptions { Quantization = options.Quantization, Threads = options.Threads, MaxModelLen = options.MaxModelLen, MaxNumSeqs = options.MaxNumSeqs };
        if (options with { ClientWeights = usable.ClientWeights, LogitsProcessors = usable.LogitsProcessors, Targets = usable.Targets } != usable)
        {
            throw new UsageException($"{shape.Name} has random weights: only --quantization, --threads and --max-model-len go with it");
        }

        return LoadedModel.Random(
            shape, ModelPlan.SchemeNamed(options.Quantization ?? "int8"), options.MaxModelLen ?? RandomLength, RandomCacheTokens, 2048, options.Threads);
    }
}
