using System.Net;
using System.Net.Sockets;

namespace Octavo.Server.Http;

/// <summary>From the host that was asked for to the socket that listens, and from there to a URL.</summary>
internal static class ListenAddress
{
    /// <summary>Where to listen. All addresses are IPv6's: such a socket takes IPv4 too.</summary>
    /// <exception cref="IOException">The host's name is unknown.</exception>
    public static IPEndPoint Resolve(ServerOptions options) => new(ResolveHost(options.Host), options.Port);

    /// <summary>Binds, listens and closes, as Kestrel would.</summary>
    /// <exception cref="IOException">It cannot be done; the message says why.</exception>
    public static void Check(ServerOptions options)
    {
        IPEndPoint endpoint = Resolve(options);
        try
        {
            using var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            if (endpoint.Address.Equals(IPAddress.IPv6Any))
            {
                socket.DualMode = true;
            }

            socket.Bind(endpoint);
            socket.Listen();
        }
        catch (SocketException e)
        {
            throw Explain(e, options)!;
        }
    }

    /// <summary>What went wrong in the user's words; null where it was something else.</summary>
    public static IOException? Explain(Exception failure, ServerOptions options)
    {
        for (Exception? e = failure; e is not null; e = e.InnerException)
        {
            if (e is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }
                or Microsoft.AspNetCore.Connections.AddressInUseException)
            {
                return new AddressInUseException(options.Host, options.Port, failure);
            }

            if (e is SocketException socket)
            {
                return new IOException($"cannot listen on {options.Host}:{options.Port}: {socket.Message}", failure);
            }
        }

        return null;
    }

    /// <summary>A URL that a client on this machine can call: "all addresses" is none.</summary>
    public static string Reachable(string bound)
    {
        var url = new Uri(bound);
        bool all = IPAddress.TryParse(url.Host, out IPAddress? address)
            && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));
        return all ? $"{url.Scheme}://{IPAddress.Loopback}:{url.Port}" : bound;
    }

    /// <summary>Whether a host stands for all addresses.</summary>
    public static bool IsWildcard(string host) => host is "*" or "+" or "";

    private static IPAddress ResolveHost(string host)
    {
        if (IsWildcard(host))
        {
            return Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any;
        }

        if (string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase))
        {
            return IPAddress.Loopback;
        }

        if (IPAddress.TryParse(host, out IPAddress? address))
        {
            return address;
        }

        try
        {
            return Dns.GetHostAddresses(host)[0];
        }
        catch (SocketException e)
        {
            throw new IOException($"cannot listen on host \"{host}\": {e.Message}", e);
        }
    }
}
