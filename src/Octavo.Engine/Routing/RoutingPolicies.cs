namespace Octavo.Engine.Routing;

/// <summary>The routing policies by name.</summary>
internal static class RoutingPolicies
{
    private static readonly Func<IRoutingPolicy>[] All =
    [
        () => new RoundRobinRouting(),
        () => new LeastLoadedRouting(),
        () => new PrefixAwareRouting(),
    ];

    /// <summary>What they are called; the first is what holds where nobody chooses.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(make => make().Name)];

    /// <summary>A policy that has routed nothing yet.</summary>
    /// <exception cref="ArgumentException">None is called so.</exception>
    public static IRoutingPolicy Make(string name) =>
        All.Select(make => make()).FirstOrDefault(policy => policy.Name == name)
        ?? throw new ArgumentException(
            $"there is no routing policy '{name}'; there are {string.Join(", ", Names)}", nameof(name));
}
