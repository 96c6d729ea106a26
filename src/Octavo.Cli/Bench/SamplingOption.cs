using System.CommandLine;
using Octavo.Cli.Terminal;
using Octavo.Lab.Measuring;

namespace Octavo.Cli.Bench;

/// <summary><c>--sampling</c> of the measurements: how tokens are drawn.</summary>
internal static class SamplingOption
{
    /// <summary>The option; it may be repeated where several are measured.</summary>
    public static Option<string[]> Make(string help, ArgumentArity arity) => new("--sampling")
    {
        Description = $"{help} {SamplingText.Help}.",
        HelpName = "S",
        Arity = arity,
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
            throw new UsageException("--sampling: " + e.Message);
        }
    }
}
