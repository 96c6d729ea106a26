using System.Globalization;

namespace Octavo.Cli.Terminal;

/// <summary>Figures as reports print them.</summary>
internal static class Figures
{
    /// <summary>A number with so many decimals, and commas between thousands.</summary>
    public static string Number(double value, int decimals) =>
        value.ToString("N" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    /// <summary>A fraction as a whole percentage.</summary>
    public static string Percent(double fraction) => Number(fraction * 100, 0) + "%";

    /// <summary>A number with so many decimals and nothing between thousands.</summary>
    public static string Exact(double value, int decimals) =>
        value.ToString("F" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    /// <summary>A fraction as a percentage with three decimals.</summary>
    public static string ExactPercent(double fraction) => Exact(fraction * 100, 3) + "%";
}
