using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Octavo.Server.Protocols;

namespace Octavo.Server.Http;

/// <summary>What may go wrong with a request that came by HTTP.</summary>
internal static class HttpFailure
{
    /// <summary>What a failure looks like to a client; null for one that has left.</summary>
    public static ApiException? Explain(Exception failure, bool clientLeft) => ApiException
        .From(failure) ?? failure switch
        {
            BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } e =>
                Refused(e, "request_too_large"),
            BadHttpRequestException e => Refused(e, null),
            ConnectionResetException or ConnectionAbortedException => null,
            _ when clientLeft => null,
            OperationCanceledException => ApiException.ShuttingDown(),
            _ => ApiException.Internal(failure),
        };

    private static ApiException Refused(BadHttpRequestException e, string? code) =>
        new((HttpStatusCode)e.StatusCode, ApiException.InvalidRequest, null, code, e.Message, e);
}
