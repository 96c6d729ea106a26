namespace Octavo.Engine.Routing;

/// <summary>
/// To the replica that last had the same beginning, unless it has far more to do than the others: then a prefix is not
/// worth the queue, and the least loaded replica has it from now on.
/// </summary>
internal sealed class PrefixAwareRouting : IRoutingPolicy
{
    private const double FarMore = 1.5;      // times the mean load, and some requests on top
    private const int SomeTokens = 4096;

    private readonly Dictionary<int, int> _holders = [];        // beginning → replica

    /// <inheritdoc/>
    public string Name => "prefix-aware";

    /// <inheritdoc/>
    public int Choose(int? beginning, ReadOnlySpan<long> loads)
    {
        int least = LeastLoadedRouting.LeastLoaded(loads);
        if (beginning is not { } prefix)
        {
            return least;
        }

        if (!_holders.TryGetValue(prefix, out int holder) || loads[holder] > (FarMore * Mean(loads)) + SomeTokens)
        {
            _holders[prefix] = holder = least;
        }

        return holder;
    }

    private static double Mean(ReadOnlySpan<long> loads)
    {
        double sum = 0;
        foreach (long load in loads)
        {
            sum += load;
        }

        return sum / loads.Length;
    }
}
