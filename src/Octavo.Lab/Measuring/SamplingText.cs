using System.Globalization;
using System.Text.Json;
using Octavo.Engine;

namespace Octavo.Lab.Measuring;

/// <summary>
/// How tokens are drawn, as a person writes it: <c>greedy</c>, or settings with commas between, such as
/// <c>temperature=0.7,top-k=50,top-p=0.95</c>.
/// </summary>
internal static class SamplingText
{
    /// <summary>The most likely token, always.</summary>
    public const string Greedy = "greedy";

    /// <summary>What the text may hold, for help.</summary>
    public const string Help = Greedy
        + ", or settings with commas between, of temperature= top-k= top-p= min-p= presence-penalty= "
        + "frequency-penalty= repetition-penalty= logprobs=";

    private static readonly Dictionary<string, Func<SamplingParams, float, SamplingParams>> Settings = new()
    {
        ["temperature"] = (p, x) => p with { Temperature = x },
        ["top-k"] = (p, x) => p with { TopK = (int)x },
        ["top-p"] = (p, x) => p with { TopP = x },
        ["min-p"] = (p, x) => p with { MinP = x },
        ["presence-penalty"] = (p, x) => p with { PresencePenalty = x },
        ["frequency-penalty"] = (p, x) => p with { FrequencyPenalty = x },
        ["repetition-penalty"] = (p, x) => p with { RepetitionPenalty = x },
        ["logprobs"] = (p, x) => p with { Logprobs = (int)x },
    };

    /// <summary>Reads how tokens are drawn.</summary>
    /// <exception cref="FormatException">A word is unknown or a value out of range; the message names it.</exception>
    public static SamplingParams Parse(string text)
    {
        var parameters = new SamplingParams();
        foreach (string word in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            if (word == Greedy)
            {
                parameters = parameters with { Temperature = 0 };
            }
            else if (equals > 0
                && Settings.TryGetValue(word[..equals], out Func<SamplingParams, float, SamplingParams>? set)
                && float.TryParse(
                    word[(equals + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out float value))
            {
                parameters = set(parameters, value);
            }
            else
            {
                throw new FormatException($"'{word}' is none of {Help}");
            }
        }

        try
        {
            parameters.Validate();
        }
        catch (InvalidRequestException e)
        {
            throw new FormatException(e.Describe(JsonNamingPolicy.KebabCaseLower.ConvertName), e);
        }

        return parameters;
    }
}
