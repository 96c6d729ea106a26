using System.CommandLine;
using System.Globalization;

namespace Octavo.Cli.Options;

/// <summary>The options that say how tokens are chosen; names and meanings are vLLM's.</summary>
/// <param name="defaultMaxTokens">The length where neither the command line nor the model says one; null is the rest of the context.</param>
internal sealed class SamplingArguments(int? defaultMaxTokens)
{
    private readonly Option<int?> _maxTokens = OptionKinds.Integer(
        "--max-tokens",
        $"Most tokens to make. [default: the model's max_new_tokens, else {defaultMaxTokens?.ToString(CultureInfo.InvariantCulture) ?? "the rest of the context"}]");

    private readonly Option<double?> _temperature = OptionKinds.Number(
        "--temperature", "0 always takes the likeliest token; higher is bolder. [default: the model's, else 1]");

    private readonly Option<double?> _topP = OptionKinds.Number(
        "--top-p", "Draw from the likeliest tokens that together reach this probability. [default: the model's, else 1 = all]");

    private readonly Option<int?> _topK = OptionKinds.Integer(
        "--top-k", "Draw from so many likeliest tokens; 0 is all. [default: the model's, else 0]");

    private readonly Option<double?> _minP = OptionKinds.Number(
        "--min-p", "Drop tokens less likely than this fraction of the likeliest. [default: the model's, else 0]");

    private readonly Option<double?> _presencePenalty = OptionKinds.Number(
        "--presence-penalty", "Lowers tokens that the text holds already; -2 to 2. [default: 0]");

    private readonly Option<double?> _frequencyPenalty = OptionKinds.Number(
        "--frequency-penalty", "Lowers tokens by how often the text holds them; -2 to 2. [default: 0]");

    private readonly Option<double?> _repetitionPenalty = OptionKinds.Number(
        "--repetition-penalty", "Above 1 discourages tokens of prompt and text. [default: the model's, else 1]");

    private readonly Option<string[]> _stop = new("--stop")
    {
        Description = "End when this text appears, and leave it out. Repeat for several.",
        HelpName = "TEXT",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<bool> _ignoreEos = OptionKinds.Switch("--ignore-eos", "Go on after the model says that it has ended.");

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in new Option[]
        {
            _maxTokens, _temperature, _topP, _topK, _minP, _presencePenalty, _frequencyPenalty, _repetitionPenalty, _stop, _ignoreEos,
        })
        {
            command.Add(option);
        }
    }

    /// <summary>The first option given that beam search knows nothing of; null where there is none.</summary>
    public string? FindUnknownToBeams(ParseResult result) =>
        new Option[] { _temperature, _topP, _topK, _minP, _presencePenalty, _frequencyPenalty, _repetitionPenalty, _stop }
            .FirstOrDefault(option => result.GetResult(option) is not null)?.Name;

    /// <summary>What the command line says, over the model's own defaults.</summary>
    public SamplingParams Read(ParseResult result, ModelInfo model)
    {
        SamplingParams defaults = model.DefaultSamplingParams;
        return defaults with
        {
            MaxTokens = result.GetValue(_maxTokens) ?? model.GenerationDefaults.MaxNewTokens ?? defaultMaxTokens,
            Temperature = (float?)result.GetValue(_temperature) ?? defaults.Temperature,
            TopP = (float?)result.GetValue(_topP) ?? defaults.TopP,
            TopK = result.GetValue(_topK) ?? defaults.TopK,
            MinP = (float?)result.GetValue(_minP) ?? defaults.MinP,
            PresencePenalty = (float?)result.GetValue(_presencePenalty) ?? defaults.PresencePenalty,
            FrequencyPenalty = (float?)result.GetValue(_frequencyPenalty) ?? defaults.FrequencyPenalty,
            RepetitionPenalty = (float?)result.GetValue(_repetitionPenalty) ?? defaults.RepetitionPenalty,
            Stop = result.GetValue(_stop) ?? [],
            IgnoreEos = result.GetValue(_ignoreEos),
        };
    }
}
