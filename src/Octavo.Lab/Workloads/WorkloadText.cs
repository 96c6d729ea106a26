using System.Globalization;

namespace Octavo.Lab.Workloads;

/// <summary>
/// Workloads as a person writes them: a kind of arrival and settings, such as
/// <c>poisson rate=4 requests=200 prompt=lognormal:161:1:1024 output=200</c>, or <c>trace=FILE</c>.
/// </summary>
internal static class WorkloadText
{
    private static readonly Dictionary<string, ArrivalProcess> Kinds = new(StringComparer.OrdinalIgnoreCase)
    {
        ["poisson"] = ArrivalProcess.Poisson,
        ["constant"] = ArrivalProcess.Constant,
        ["gamma"] = ArrivalProcess.Gamma,
        ["ramp"] = ArrivalProcess.Ramp,
        ["onoff"] = ArrivalProcess.OnOff,
        ["saturating"] = ArrivalProcess.Saturating,
    };

    /// <summary>What a workload's text may hold, for help.</summary>
    public const string Help =
        "poisson|constant|gamma|ramp|onoff|saturating, then settings: rate= peak= period= burstiness= requests= "
        + "prompt= output= (N, uniform:LOW:HIGH, lognormal:MEAN:SIGMA:MOST) long= long-prompt= prefixes= "
            + "prefix-tokens= "
        + "turns= think= clients= seed= trace=FILE";

    /// <summary>Reads a workload over defaults.</summary>
    /// <exception cref="FormatException">A word is unknown or a value out of range; the message names it.</exception>
    public static Workload Parse(string text, Workload? defaults = null)
    {
        Workload workload = defaults ?? new Workload();
        foreach (string word in text.Split((char[])[' ', ','], StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            workload = equals < 0
                ? workload with
                {
                    Arrivals = Kinds.TryGetValue(word, out ArrivalProcess kind) ? kind : throw Unknown(word),
                }
                : Set(workload, word[..equals], word[(equals + 1)..]);
        }

        return workload;
    }

    /// <summary>
    /// Reads a trace: lines of arrival (seconds), prompt tokens, output tokens and perhaps a client, with commas
    /// between; a first line of names is skipped.
    /// </summary>
    /// <exception cref="FormatException">A line is not one; the message names it.</exception>
    public static IReadOnlyList<WorkloadRequest> ParseTrace(IEnumerable<string> lines)
    {
        List<WorkloadRequest> requests = [];
        int number = 0;
        foreach (string line in lines)
        {
            number++;
            string[] cells = line.Split(',', StringSplitOptions.TrimEntries);
            if (line.Trim().Length == 0 || (number == 1 && cells[0].Any(char.IsAsciiLetter)))
            {
                continue;
            }

            if (cells.Length < 3
                || !double.TryParse(cells[0], NumberStyles.Float, CultureInfo.InvariantCulture, out double arrival)
                    || arrival is not >= 0
                || !int.TryParse(cells[1], NumberStyles.None, CultureInfo.InvariantCulture, out int prompt)
                    || prompt < 1
                || !int.TryParse(cells[2], NumberStyles.None, CultureInfo.InvariantCulture, out int output)
                    || output < 1)
            {
                throw new FormatException(
                    $"line {number} of the trace is not 'seconds,prompt tokens,output tokens[,client]': '{line}'");
            }

            string? client = cells.Length > 3 ? cells[3] : null;
            requests.Add(new WorkloadRequest(arrival, prompt, output) { Seed = number, Client = client });
        }

        return requests.Count > 0 ? requests : throw new FormatException("the trace has no requests");
    }

    private static Workload Set(Workload w, string name, string value) => name.ToLowerInvariant() switch
    {
        "rate" => w with { Rate = Number(name, value, 1e-6, 1e6) },
        "peak" => w with { PeakRate = Number(name, value, 1e-6, 1e6) },
        "period" => w with { Period = Number(name, value, 1e-3, 1e6) },
        "burstiness" => w with { Burstiness = Number(name, value, 0.01, 100) },
        "requests" => w with { Requests = Whole(name, value) },
        "prompt" => w with { Prompt = LengthDistribution.Parse(value) },
        "output" => w with { Output = LengthDistribution.Parse(value) },
        "long" => w with { LongPart = Number(name, value, 0, 1) },
        "long-prompt" => w with { LongPrompt = LengthDistribution.Parse(value) },
        "prefixes" => w with { Prefixes = Whole(name, value) },
        "prefix-tokens" => w with { PrefixTokens = Whole(name, value) },
        "turns" => w with { Turns = Whole(name, value) },
        "think" => w with { ThinkTime = Number(name, value, 0, 1e6) },
        "clients" => w with { Clients = Whole(name, value) },
        "seed" => w with { Seed = (int)Number(name, value, 0, int.MaxValue) },
        "trace" when value.Length == 0 => throw new FormatException("trace= takes a file's name"),
        "trace" => w with { Trace = ParseTrace(File.ReadLines(value)) },
        _ => throw Unknown(name),
    };

    private static int Whole(string name, string value) => (int)Number(name, value, 1, 1e7);

    private static double Number(string name, string value, double least, double most) =>
        double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            && number >= least
            && number <= most
            ? number
            : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"{name} of a workload must be a "
                + $"number from {least} to {most}; it is '{value}'"));

    private static FormatException Unknown(string word) => new($"a workload has no '{word}'; it takes: {Help}");
}
