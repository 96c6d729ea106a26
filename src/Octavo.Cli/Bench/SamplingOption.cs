using System.CommandLine;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Lab.Measuring;

namespace Octavo.Cli.Bench;

/// <summary><c>--sampling</c> of the measurements: how tokens are drawn.</summary>
internal static class SamplingOption
{
    private const string Name = "--sampling";

    /// <summary>One way.</summary>
    public static Option<string?> One(string help) => OptionKinds.Text(Name, "S", $"{help} S is {SamplingText.Help}.");

    /// <summary>Several ways, each of them named by the option once more.</summary>
    public static Option<string[]> Several(string help) => new(Name)
    {
        Description = $"{help} S is {SamplingText.Help}.",
        HelpName = "S",
        Arity = ArgumentArity.OneOrMore,
    };

    /// <summary>What was asked for.</summary>
    public static SamplingParams Read(string text)
    {
        try
        {
            return SamplingText.Parse(text);
        }
        catch (FormatException e)
        {
            throw new UsageException($"{Name}: {e.Message}");
        }
    }
}
