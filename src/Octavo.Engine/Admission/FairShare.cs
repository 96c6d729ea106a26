namespace Octavo.Engine.Admission;

/// <summary>
/// Gives each request its place in the queue as one number, fixed at arrival: lower goes first. Three rules meet in it.
/// </summary>
/// <remarks>
/// <para>First come, first served: a request's number is the time of its arrival.</para>
/// <para>Fair share: a client's requests are spaced by what they cost over the client's weight, as if each client had a
/// server of its own (Zhang's virtual clock). A burst of one client so stretches behind its first request, and another
/// client's request goes before most of it. The lead that a client builds up is no more than its own requests in flight
/// cost, so that nobody pays for the time when others were away.</para>
/// <para>Priority with ageing: a level of priority is worth <see cref="SchedulingOptions.PriorityAgeing"/> of waiting. All who wait age alike, so
/// the order between two never changes: a request is passed by no one who came more than the difference of their levels
/// times that later.</para>
/// </remarks>
/// <param name="options">How much a level is worth, and what clients weigh.</param>
internal sealed class FairShare(SchedulingOptions options)
{
    private readonly Dictionary<string, Share> _shares = new(StringComparer.Ordinal);

    /// <summary>The place of a request that comes now.</summary>
    /// <param name="client">Whose it is.</param>
    /// <param name="priority">Its level; lower goes first.</param>
    /// <param name="now">Seconds on any clock that never goes back.</param>
    /// <param name="cost">Seconds that it keeps the machine busy.</param>
    public double Enter(string? client, int priority, double now, double cost)
    {
        string key = client ?? string.Empty;
        Share share = _shares.GetValueOrDefault(key);
        double spacing = cost / (options.ClientWeights.GetValueOrDefault(key, 1));
        double tag = Math.Max(now, Math.Min(share.Next, now + (share.InFlight * spacing)));
        _shares[key] = new Share(tag + spacing, share.InFlight + 1);
        return tag + (priority * options.PriorityAgeing.TotalSeconds);
    }

    /// <summary>A request of this client has ended.</summary>
    public void Leave(string? client)
    {
        string key = client ?? string.Empty;
        Share share = _shares[key];
        if (share.InFlight == 1)
        {
            _shares.Remove(key);
        }
        else
        {
            _shares[key] = share with { InFlight = share.InFlight - 1 };
        }
    }

    private readonly record struct Share(double Next, int InFlight);
}
