namespace Octavo.Engine.Routing;

/// <summary>To the replica with the fewest tokens before it, the first of them where several have as few.</summary>
internal sealed class LeastLoadedRouting : IRoutingPolicy
{
    /// <inheritdoc/>
    public string Name => "least-loaded";

    /// <inheritdoc/>
    public int Choose(int? beginning, ReadOnlySpan<long> loads) => LeastLoaded(loads);

    /// <summary>The first replica of the least load.</summary>
    internal static int LeastLoaded(ReadOnlySpan<long> loads)
    {
        int least = 0;
        for (int i = 1; i < loads.Length; i++)
        {
            least = loads[i] < loads[least] ? i : least;
        }

        return least;
    }
}
