namespace Octavo.Engine.Routing;

/// <summary>
/// Chooses the replica that gets a request. One instance routes all requests of one set of replicas, in their order,
/// and is called by one thread; the simulator and whatever stands before real replicas run the same file.
/// </summary>
// To add a policy: a file beside this one, and a line in RoutingPolicies.
internal interface IRoutingPolicy
{
    /// <summary>What it is called on command lines.</summary>
    string Name { get; }

    /// <summary>Chooses.</summary>
    /// <param name="beginning">A number that prompts with the same beginning share; null where no other has it.</param>
    /// <param name="loads">Replica → tokens that it has still to compute; at least one replica.</param>
    /// <returns>The replica's index.</returns>
    int Choose(int? beginning, ReadOnlySpan<long> loads);
}
