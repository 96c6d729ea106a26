using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;
using Octavo.Server.Protocols;

namespace Octavo.Server.Http;

/// <summary>
/// Keeps web pages of others away. A server on a loopback address is for this machine, but a browser on it runs pages
/// from anywhere: they could send requests (their <c>Origin</c> tells), or give the server a name of their own whose
/// address they turn to 127.0.0.1 (the <c>Host</c> tells). Origins that are allowed get the headers of CORS.
/// </summary>
internal sealed class OriginGuard
{
    private const string Any = "*";
    private const string PreflightSeconds = "600";
    private const string PrivateNetworkRequest = "Access-Control-Request-Private-Network";
    private const string PrivateNetworkAllowed = "Access-Control-Allow-Private-Network";

    private readonly bool _onLoopback;
    private readonly string[] _hosts;
    private readonly string[] _origins;

    public OriginGuard(ServerOptions options, IPAddress bound)
    {
        _onLoopback = IPAddress.IsLoopback(bound);
        _hosts = [.. options.AllowedHosts.Select(NameOfAllowed), .. ListenAddress.IsWildcard(options.Host)
            ? []
            : new[] { NameOf(options.Host) }];
        _origins = [.. options.CorsOrigins.Select(o => o.TrimEnd('/'))];
        (ChecksHosts, ChecksOrigins) = (
            _onLoopback || options.AllowedHosts.Count > 0, _onLoopback || _origins.Length > 0);
    }

    private bool ChecksHosts { get; }

    private bool ChecksOrigins { get; }

    /// <summary>Decides on a request before anything else sees it.</summary>
    /// <returns>Null where it may go on; else what is wrong with it.</returns>
    public ApiException? Check(HttpContext context)
    {
        // Browsers always send a host; a client that sends none is no browser. As sent: Request.Host chokes on bad
        // punycode.
        string host = context.Request.Headers.Host.ToString();
        if (ChecksHosts && host.Length > 0 && NameOf(host) is var name && !AllowsHost(name))
        {
            return Forbidden(
                "host_not_allowed",
                $"this server does not answer to the host name {name}; --allowed-hosts {name} lets it");
        }

        StringValues origin = context.Request.Headers.Origin;
        return ChecksOrigins && origin.Count > 0 && !IsOwn(origin.ToString(), host) && !AllowsOrigin(origin.ToString())
            ? Forbidden(
                "origin_not_allowed",
                $"web pages of {origin} may not call this server; --cors-origins {origin} lets them")
            : null;
    }

    /// <summary>Adds what lets the page of an allowed origin read the answer.</summary>
    /// <returns>True where the request only asked whether it may be sent: the answer is complete.</returns>
    public bool AddHeaders(HttpContext context)
    {
        string origin = context.Request.Headers.Origin.ToString();
        if (origin.Length == 0 || !ChecksOrigins || !AllowsOrigin(origin))
        {
            return false;
        }

        IHeaderDictionary answer = context.Response.Headers;
        answer.AccessControlAllowOrigin = origin;
        answer.Append(HeaderNames.Vary, HeaderNames.Origin);
        answer.AccessControlExposeHeaders = "X-Request-Id, Retry-After";
        IHeaderDictionary request = context.Request.Headers;
        if (!HttpMethods.IsOptions(context.Request.Method) || request.AccessControlRequestMethod.Count == 0)
        {
            return false;
        }

        answer.AccessControlAllowMethods = "GET, HEAD, POST, OPTIONS";
        answer.AccessControlMaxAge = PreflightSeconds;
        if (request.AccessControlRequestHeaders.Count > 0)
        {
            answer.AccessControlAllowHeaders = request.AccessControlRequestHeaders;
        }

        if (request.ContainsKey(PrivateNetworkRequest))
        {
            answer[PrivateNetworkAllowed] = "true";
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return true;
    }

    private static ApiException Forbidden(string code, string message) =>
        new(HttpStatusCode.Forbidden, "permission_error", null, code, message);

    // Without port, brackets and the root's dot; in the letters that it was sent in, which need not be good punycode.
    private static string NameOf(string host) => new HostString(host).Host.Trim('[', ']').TrimEnd('.');

    // As a request would name it: bücher.example is xn--bcher-kva.example there.
    private static string NameOfAllowed(string host) =>
        NameOf(Ascii.IsValid(host) ? host : new HostString(host).ToUriComponent());

    private static bool IsOfThisMachine(string name) =>
        name.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || name.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(name, out IPAddress? address) && IPAddress.IsLoopback(address));

    // A page that this server itself has sent.
    private static bool IsOwn(string origin, string host) =>
        Uri.TryCreate(origin, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https"
        && string.Equals(uri.Authority, host, StringComparison.OrdinalIgnoreCase);

    private bool AllowsHost(string name) =>
        IsOfThisMachine(name) || Array.Exists(_hosts, allowed => allowed == Any
            || allowed.Equals(name, StringComparison.OrdinalIgnoreCase)
            || (allowed.StartsWith("*.", StringComparison.Ordinal)
                && name.EndsWith(allowed[1..], StringComparison.OrdinalIgnoreCase)));

    private bool AllowsOrigin(string origin) =>
        Array.Exists(_origins, allowed => allowed == Any || allowed.Equals(origin, StringComparison.OrdinalIgnoreCase))
        || (_onLoopback && Uri.TryCreate(origin, UriKind.Absolute, out Uri? uri)
            && uri.Scheme is "http" or "https" && IsOfThisMachine(uri.Host.Trim('[', ']').TrimEnd('.')));
}
