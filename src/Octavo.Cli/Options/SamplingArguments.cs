using System.CommandLine;
using System.Globalization;

namespace Octavo.Cli.Options;

/// <summary>The options that say how tokens are chosen; names and meanings are vLLM's.</summary>
internal sealed class SamplingArguments
{
    private readonly Setting<SamplingParams> _maxTokens;
    private readonly Setting<SamplingParams>[] _draws =
    [
        Of(
            OptionKinds.Number(
                "--temperature", "0 always takes the likeliest token; higher is bolder. [default: the model's, else 1]"),
            (p, value) => p with { Temperature = (float)value!.Value }),
        Of(
            OptionKinds.Number(
                "--top-p",
                "Draw from the likeliest tokens that together reach this probability. [default: the model's, else 1 = all]"),
            (p, value) => p with { TopP = (float)value!.Value }),
        Of(
            OptionKinds.Integer(
                "--top-k", "Draw from so many likeliest tokens; 0 is all. [default: the model's, else 0]"),
            (p, value) => p with { TopK = value!.Value }),
        Of(
            OptionKinds.Number(
                "--min-p", "Drop tokens less likely than this fraction of the likeliest. [default: the model's, else 0]"),
            (p, value) => p with { MinP = (float)value!.Value }),
        Of(
            OptionKinds.Number(
                "--presence-penalty", "Lowers tokens that the text holds already; -2 to 2. [default: 0]"),
            (p, value) => p with { PresencePenalty = (float)value!.Value }),
        Of(
            OptionKinds.Number(
                "--frequency-penalty", "Lowers tokens by how often the text holds them; -2 to 2. [default: 0]"),
            (p, value) => p with { FrequencyPenalty = (float)value!.Value }),
        Of(
            OptionKinds.Number(
                "--repetition-penalty", "Above 1 discourages tokens of prompt and text. [default: the model's, else 1]"),
            (p, value) => p with { RepetitionPenalty = (float)value!.Value }),
        Of(
            new Option<string[]>("--stop")
            {
                Description = "End when this text appears, and leave it out. Repeat for several.",
                HelpName = "TEXT",
                Arity = ArgumentArity.OneOrMore,
            },
            (p, texts) => p with { Stop = texts }),
    ];

    private readonly Setting<SamplingParams> _ignoreEos = Of(
        OptionKinds.Switch("--ignore-eos", "Go on after the model says that it has ended."),
        (p, value) => p with { IgnoreEos = value });

    private readonly int? _defaultMaxTokens;

    /// <summary>Makes the options.</summary>
    /// <param name="defaultMaxTokens">
    /// The length where neither the command line nor the model says one; null is the rest of the context.
    /// </param>
    public SamplingArguments(int? defaultMaxTokens)
    {
        _defaultMaxTokens = defaultMaxTokens;
        string otherwise = defaultMaxTokens?.ToString(CultureInfo.InvariantCulture) ?? "the rest of the context";
        _maxTokens = Of(
            OptionKinds.Integer(
                "--max-tokens", $"Most tokens to make. [default: the model's max_new_tokens, else {otherwise}]"),
            (p, tokens) => p with { MaxTokens = tokens });
    }

    private IEnumerable<Setting<SamplingParams>> All => [_maxTokens, .. _draws, _ignoreEos];

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (Setting<SamplingParams> setting in All)
        {
            command.Add(setting.Option);
        }
    }

    /// <summary>The first option given that beam search knows nothing of; null where there is none.</summary>
    public string? FindUnknownToBeams(ParseResult result) => Array.Find(_draws, s => s.IsGiven(result))?.Option.Name;

    /// <summary>What the command line says, over the model's own defaults.</summary>
    public SamplingParams Read(ParseResult result, ModelInfo model)
    {
        int? length = model.GenerationDefaults.MaxNewTokens ?? _defaultMaxTokens;
        SamplingParams defaults = model.DefaultSamplingParams with { MaxTokens = length };
        return All.Aggregate(defaults, (record, setting) => setting.Apply(record, result));
    }

    private static Setting<SamplingParams> Of<T>(Option<T> option, Func<SamplingParams, T, SamplingParams> set) =>
        Setting<SamplingParams>.Of(option, set);
}
