namespace Octavo.Engine.Batching;

/// <summary>
/// How many times between tokens may still be long: a target that holds for a part of them leaves the rest. Each that
/// passes earns its share, each that was late is paid for, whether it was meant to be or not; so where a machine is
/// full, and lateness comes by itself, nothing is left.
/// </summary>
/// <param name="quantile">The part that must be in time.</param>
internal sealed class LateBudget(double quantile)
{
    private const double Most = 4;           // so that only a few ever wait for somebody's prompt
    private const double Used = 0.9;         // of what the quantile leaves

    private double _left;

    /// <summary>Whether so many may be late now.</summary>
    public bool Allows(int intervals) => intervals <= _left;

    /// <summary>So many have passed.</summary>
    public void Add(int intervals, bool late) =>
        _left = Math.Min(Most, _left + (intervals * ((Used * (1 - quantile)) - (late ? 1 : 0))));
}
