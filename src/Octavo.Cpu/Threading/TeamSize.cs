using System.Globalization;
using Octavo.Engine;

namespace Octavo.Cpu.Threading;

/// <summary>How many threads a team has where nobody says.</summary>
internal static class TeamSize
{
    /// <summary>The variable that says it for a whole process.</summary>
    public const string Variable = "OCTAVO_THREADS";

    /// <summary>
    /// What OCTAVO_THREADS says, or one a processor: of those that this process may run on, and no more than a
    /// container's quota of processor time is for.
    /// </summary>
    /// <exception cref="EngineConfigurationException">OCTAVO_THREADS is not a number of threads.</exception>
    public static int Default =>
        Read(Environment.GetEnvironmentVariable(Variable)) ?? Environment.ProcessorCount;

    internal static int? Read(string? value)
    {
        if (string.IsNullOrEmpty(value))
        {
            return null;
        }

        return int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int threads)
            && threads is >= 1 and <= PlanRequest.MostThreads
                ? threads
                : throw new EngineConfigurationException(
                    $"{Variable} must be a number of threads between 1 and {PlanRequest.MostThreads}; it is {value}");
    }
}
