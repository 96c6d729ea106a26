using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;

namespace Octavo.Cli.Generate;

/// <summary><c>octavo generate</c>: completes prompts.</summary>
internal sealed class GenerateCommand
{
    private const int DefaultMaxTokens = 256;

    private readonly Argument<string[]> _prompts = new("PROMPT")
    {
        Description = "Texts to complete; several run in one batch. Without any, standard input is the prompt. Token "
            + "ids with --skip-tokenizer-init.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string?> _model = OptionKinds
        .Text("--model", "MODEL", ModelLocator.Takes + ". [default: the bundled story-teller, tales]");
    private readonly Option<int?> _n = OptionKinds.Integer("--n", "Completions of each prompt. [default: 1]");
    private readonly Option<int?> _logprobs = OptionKinds.Integer(
        "--logprobs", "With --json: log-probabilities of each chosen token and of so many likeliest ones.");

    private readonly Option<int?> _beamWidth = OptionKinds.Integer(
        "--beam-width", "Search for the likeliest texts with so many beams, instead of sampling.");

    private readonly Option<bool> _json = OptionKinds
        .Switch("--json", "Print one JSON object: texts, token ids, usage and timings.");
    private readonly SamplingArguments _sampling = new(DefaultMaxTokens);
    private readonly EngineArguments _engine = new(
        EngineSettings.Loading,
        EngineSettings.Steps,
        EngineSettings.Seeds,
        EngineSettings.GenerationConfig,
        EngineSettings.Tokens);

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new GenerateCommand();
        var command = new Command("generate", "Complete prompts: stream one, or run many in one batch.")
        {
            it._prompts, it._model, it._n, it._beamWidth, it._logprobs, it._json,
        };
        it._sampling.AddTo(command);
        it._engine.AddTo(command);
        command.SetAction((result, _) => it.RunAsync(result));
        return command;
    }

    private async Task<int> RunAsync(ParseResult result)
    {
        EngineOptions options = _engine.Read(result);
        bool json = result.GetValue(_json);
        int? beamWidth = result.GetValue(_beamWidth);
        CheckCombinations(result, json, beamWidth);
        string model = ModelLocator.Find(result.GetValue(_model));
        string[] texts = await ReadPromptsAsync(result).ConfigureAwait(false);
        Prompt[] prompts = [.. texts.Select(
            t => options.Model.SkipTokenizerInit ? Prompt.FromTokenIds(TokenIds.Parse(t)) : Prompt.FromText(t))];
        if (beamWidth is { } width && options.Sampling.MaxLogprobs is >= 0 and var most)
        {
            // Beam search reads two candidates a beam; that limit is for requests from outside.
            options = options with { Sampling = options.Sampling with { MaxLogprobs = Math.Max(most, 2 * width) } };
        }

        using var interrupt = new Interrupt();
        long started = Stopwatch.GetTimestamp();
        AsyncEngine engine = await EngineLoader.LoadAsync(model, options, !json, interrupt.Token).ConfigureAwait(false);
        EngineLoader.WriteNotes(engine.Model.Notes);
        await using (engine.ConfigureAwait(false))
        {
            var run = new GenerateRun(engine, Stopwatch.GetElapsedTime(started));
            SamplingParams sampling = _sampling.Read(result, engine.Model) with
            {
                N = result.GetValue(_n) ?? 1,
                Logprobs = result.GetValue(_logprobs),
                Seed = _engine.NamesSeed(result) ? options.Sampling.Seed : null,
                Detokenize = !options.Model.SkipTokenizerInit,
            };
            Task running = (json, beamWidth) switch
            {
                (_, { } beams) => run.SearchAsync(prompts, Beams(beams, sampling), json, interrupt.Token),
                (true, _) => run.WriteJsonAsync(prompts, sampling, interrupt.Token),
                _ => run.PrintAsync(prompts, sampling, interrupt.Token),
            };
            await running.ConfigureAwait(false);
        }

        return ExitCode.Success;
    }

    private static BeamSearchParams Beams(int width, SamplingParams sampling) =>
        new() { BeamWidth = width, MaxTokens = sampling.MaxTokens!.Value, IgnoreEos = sampling.IgnoreEos };

    private void CheckCombinations(ParseResult result, bool json, int? beamWidth)
    {
        UsageException.ThrowIf(
            result.GetValue(_logprobs) is not null && !json, "--logprobs needs --json, which has a place for them");

        if (beamWidth is null)
        {
            return;
        }

        Refuse(
            result.GetValue(_logprobs) is not null ? _logprobs.Name : null, "a search returns texts and their scores");
        Refuse(result.GetValue(_n) is not null ? _n.Name : null, "a search returns as many texts as it has beams");
        Refuse(
            _sampling.FindUnknownToBeams(result),
            "a search goes by the model's own probabilities, and ends at --max-tokens or the end of text");
        Refuse(_engine.NamesSeed(result) ? EngineSettings.Seed : null, "a search draws nothing");

        static void Refuse(string? option, string reason)
        {
            UsageException.ThrowIf(option is not null, $"{option} and --beam-width do not go together: {reason}");
        }
    }

    private async Task<string[]> ReadPromptsAsync(ParseResult result)
    {
        if (result.GetValue(_prompts) is { Length: > 0 } prompts)
        {
            return prompts;
        }

        string text = Stdio.InIsTerminal ? string.Empty : await Stdio.In.ReadToEndAsync().ConfigureAwait(false);
        text = text.TrimEnd('\r', '\n');
        return text.Length > 0
            ? [text]
            : throw new UsageException(
                "no prompt: give one, as in octavo generate \"Once upon a time\", or pipe it in");
    }
}

/// <summary>Token ids as text, where no tokenizer is at hand.</summary>
internal static class TokenIds
{
    private static readonly char[] Separators = [' ', ',', '\t', '\r', '\n'];

    /// <summary>Reads ids that spaces or commas part.</summary>
    public static int[] Parse(string text)
    {
        string[] words = text.Split(Separators, StringSplitOptions.RemoveEmptyEntries);
        var ids = new int[words.Length];
        for (int i = 0; i < words.Length; i++)
        {
            if (!int.TryParse(words[i], NumberStyles.None, CultureInfo.InvariantCulture, out ids[i]))
            {
                throw new UsageException(
                    $"with --skip-tokenizer-init a prompt is token ids, such as 0,3206,647; '{words[i]}' is none");
            }
        }

        return ids;
    }

    /// <summary>Writes ids with a space before each.</summary>
    public static string Format(IEnumerable<int> ids) =>
        string.Concat(ids.Select(id => " " + id.ToString(CultureInfo.InvariantCulture)));
}
