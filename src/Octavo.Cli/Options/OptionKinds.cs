using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Engine;

namespace Octavo.Cli.Options;

/// <summary>Makes options whose complaints name the option, what it takes, and what it got.</summary>
internal static class OptionKinds
{
    private delegate bool Parser<T>(string text, out T value);

    /// <summary>A whole number.</summary>
    public static Option<int?> Integer(string name, string help) =>
        Make<int?>(name, "N", help, "a whole number", static (string text, out int? value) =>
        {
            bool valid = int.TryParse(
                text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number);
            value = number;
            return valid;
        });

    /// <summary>Whole numbers with commas between, such as <c>1,2,4</c>.</summary>
    public static Option<IReadOnlyList<int>?> Integers(string name, string help) =>
        Make<IReadOnlyList<int>?>(
            name,
            "N,N,…",
            help,
            "whole numbers with commas between",
            static (string text, out IReadOnlyList<int>? value) =>
            {
                List<int> numbers = [];
                value = numbers;
                foreach (string word in text.Split(','))
                {
                    if (!int.TryParse(
                        word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number))
                    {
                        return false;
                    }

                    numbers.Add(number);
                }

                return true;
            });

    /// <summary>A whole number of 64 bits.</summary>
    public static Option<long?> Long(string name, string help) =>
        Make<long?>(name, "N", help, "a whole number", static (string text, out long? value) =>
        {
            bool valid = long.TryParse(
                text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number);
            value = number;
            return valid;
        });

    /// <summary>A number.</summary>
    public static Option<double?> Number(string name, string help) =>
        Make<double?>(name, "X", help, "a number", static (string text, out double? value) =>
        {
            bool valid = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number);
            value = number;
            return valid && double.IsFinite(number);
        });

    /// <summary>A percentage; its value is the fraction.</summary>
    public static Option<double?> Percentage(string name, string help) =>
        Make<double?>(name, "X", help, "a percentage from 50 to below 100", static (string text, out double? value) =>
        {
            bool valid = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double percent);
            value = percent / 100;
            return valid && percent is >= 50 and < 100;
        });

    /// <summary>Weights by key, such as <c>KEY=2</c>; the option may be repeated.</summary>
    public static Option<IReadOnlyDictionary<string, double>?> Weights(string name, string help) => new(name)
    {
        Description = help,
        HelpName = "KEY=WEIGHT",
        Arity = ArgumentArity.OneOrMore,        // one a time: a second word is MODEL
        CustomParser = result =>
        {
            var weights = new Dictionary<string, double>(StringComparer.Ordinal);
            foreach (Token token in result.Tokens)
            {
                int equals = token.Value.LastIndexOf('=');         // a key may well end with one
                string digits = token.Value[(equals + 1)..];
                if (equals < 1
                    || !double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out double weight))
                {
                    result.AddError($"{name} takes KEY=WEIGHT with a weight above 0; it is '{token.Value}'");
                    return null;
                }

                weights[token.Value[..equals]] = weight;
            }

            return weights;
        },
    };

    /// <summary>A size in bytes, such as <c>512MiB</c>.</summary>
    public static Option<long?> Size(string name, string help) =>
        Make<long?>(
            name,
            "SIZE",
            help,
            "a size such as 512MiB, 4GiB or a number of bytes",
            static (string text, out long? value) =>
            {
                bool valid = ByteSize.TryParse(text, out long bytes);
                value = bytes;
                return valid;
            });

    /// <summary>A length of time, such as <c>100ms</c> or <c>2.5s</c>; a bare number is seconds.</summary>
    public static Option<TimeSpan?> Duration(string name, string help) =>
        Make<TimeSpan?>(
            name,
            "TIME",
            help,
            "a time such as 100ms, 2.5s or a number of seconds",
            static (string text, out TimeSpan? value) =>
            {
                bool milli = text.EndsWith("ms", StringComparison.OrdinalIgnoreCase);
                string digits = milli ? text[..^2] : text.EndsWith('s') ? text[..^1] : text;
                bool valid = double.TryParse(
                    digits, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
                    && number is >= 0 and < 1e9;
                value = valid ? TimeSpan.FromSeconds(milli ? number / 1000 : number) : null;
                return valid;
            });

    /// <summary>One of a few words, each of which means a value.</summary>
    /// <remarks>The first choice must mean the type's default value: it holds where the option is left out.</remarks>
    public static Option<T> Choice<T>(string name, string help, params (string Word, T Value)[] choices)
        where T : struct
    {
        string words = string.Join('|', choices.Select(c => c.Word));
        return Make(
            name,
            words,
            $"{help} [default: {choices[0].Word}]",
            "one of " + string.Join(", ", choices.Select(c => c.Word)),
            (string text, out T value) =>
            {
                (string word, value) = choices.FirstOrDefault(
                    c => string.Equals(c.Word, text, StringComparison.OrdinalIgnoreCase));
                return word is not null;
            });
    }

    /// <summary>Some of a few words, with commas between, each of which means a value.</summary>
    public static Option<IReadOnlyList<T>?> Choices<T>(
        string name, string help, params (string Word, T Value)[] choices)
    {
        string words = string.Join(", ", choices.Select(c => c.Word));
        return Make<IReadOnlyList<T>?>(
            name,
            "S,S,…",
            $"{help} Of {words}.",
            "words with commas between, of " + words,
            (string text, out IReadOnlyList<T>? value) =>
            {
                (string Word, T Value)[] chosen = [.. text.Split(',').Select(word => choices.FirstOrDefault(
                    c => string.Equals(c.Word, word, StringComparison.OrdinalIgnoreCase)))];
                value = [.. chosen.Select(c => c.Value)];
                return chosen.All(c => c.Word is not null);
            });
    }

    /// <summary>Bounds of histograms by family, as JSON.</summary>
    public static Option<IReadOnlyDictionary<string, IReadOnlyList<double>>?> Buckets(
        string name, string help) => new(name)
        {
            Description = help,
            HelpName = "JSON",
            Arity = ArgumentArity.ExactlyOne,
            CustomParser = result =>
            {
                string text = result.Tokens[0].Value;
                var buckets = new Dictionary<string, IReadOnlyList<double>>(StringComparer.Ordinal);
                try
                {
                    using JsonDocument json = JsonDocument.Parse(text);
                    foreach (JsonProperty family in json.RootElement.EnumerateObject())
                    {
                        buckets[family.Name] = [.. family.Value.EnumerateArray().Select(b => b.GetDouble())];
                    }
                }
                catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
                {
                    result.AddError($"{name} takes a JSON object of lists of numbers, such as {{\"request_latency\": "
                        + $"[0.1, 0.5, 1]}}; it is '{text}'");
                    return null;
                }

                return buckets;
            },
        };

    /// <summary>Words with commas between; the option may be repeated.</summary>
    public static Option<string[]> Words(string name, string helpName, string help) => new(name)
    {
        Description = help,
        HelpName = helpName,
        Arity = ArgumentArity.OneOrMore,        // one a time: a second word is MODEL
        CustomParser = result => [.. result.Tokens.SelectMany(
            t => t.Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))],
    };

    /// <summary>A text; an empty one, such as a shell makes of a variable that is not set, is refused.</summary>
    public static Option<string?> Text(string name, string helpName, string help)
    {
        Option<string?> option = new(name) { Description = help, HelpName = helpName };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Any(t => t.Value.Length == 0))
            {
                result.AddError($"{name} is empty; it takes {helpName}");
            }
        });
        return option;
    }

    /// <summary>A switch.</summary>
    public static Option<bool> Switch(string name, string help) => new(name) { Description = help };

    /// <summary>
    /// Complains of a word before <c>--</c> that looks like an option: the parser would take it as a value of the
    /// command's argument, and a mistyped option would become a prompt. Null where there is none.
    /// </summary>
    public static string? FindUnknownOption(ParseResult result)
    {
        Argument? argument = result.CommandResult.Command.Arguments.SingleOrDefault();
        if (result.Action is System.CommandLine.Help.HelpAction
            || argument is null
            || result.GetResult(argument) is not { } values)
        {
            return null;
        }

        var plain = result.Tokens.SkipWhile(t => t.Type != TokenType.DoubleDash)
            .ToHashSet<Token>(ReferenceEqualityComparer.Instance);
        return values.Tokens.FirstOrDefault(t => !plain.Contains(t) && LooksLikeOption(t.Value)) is { } token
            ? $"unknown option '{token.Value}'{DidYouMean(result, token.Value)} (see 'octavo "
                + $"{result.CommandResult.Command.Name} --help'; a {argument.Name.ToLowerInvariant()} that begins with "
                + "a dash goes after --)"
            : null;
    }

    /// <summary>
    /// A guess at the option or command that was meant, to go into a message; empty where there is none.
    /// </summary>
    public static string DidYouMean(ParseResult result, string written)
    {
        Command command = result.CommandResult.Command;
        string[] words = LooksLikeOption(written)
            ? [.. command.Options.SelectMany(o => o.Aliases.Append(o.Name))
                .Where(o => o.StartsWith("--", StringComparison.Ordinal))]
            : [.. command.Subcommands.Select(c => c.Name)];
        return EditDistance.Nearest(written, words) is { } meant ? $"; did you mean {meant}?" : string.Empty;
    }

    private static bool LooksLikeOption(string word) =>
        word.Length > 1 && word[0] == '-' && (word[1] == '-' || char.IsAsciiLetter(word[1])) && !word.Contains(' ');

    private static Option<T> Make<T>(
        string name, string helpName, string help, string takes, Parser<T> parse) => new(name)
        {
            Description = help,
            HelpName = helpName,
            Arity = ArgumentArity.ExactlyOne,
            CustomParser = result =>
            {
                string text = result.Tokens[0].Value;
                if (!parse(text, out T value))
                {
                    result.AddError($"{name} takes {takes}; it is '{text}'");
                }

                return value;
            },
        };
}
