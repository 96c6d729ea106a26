namespace Octavo.Engine.Routing;

/// <summary>To each replica in turn.</summary>
internal sealed class RoundRobinRouting : IRoutingPolicy
{
    private int _next;

    /// <inheritdoc/>
    public string Name => "round-robin";

    /// <inheritdoc/>
    public int Choose(int? beginning, ReadOnlySpan<long> loads)
    {
        int chosen = _next % loads.Length;
        _next = chosen + 1;
        return chosen;
    }
}
