using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Octavo.Engine;
using Octavo.Text;

namespace Octavo.Server.Http;

/// <summary>An answer in OpenAI's error shape: a status and the four fields of <c>error</c>.</summary>
internal sealed class ApiException(int status, string type, string? param, string? code, string message, Exception? inner = null)
    : Exception(message, inner)
{
    public const string InvalidRequest = "invalid_request_error";

    public int Status { get; } = status;

    public string Type { get; } = type;

    public string? Param { get; } = param;

    public string? Code { get; } = code;

    /// <summary>When another try is worth it; null says nothing of that.</summary>
    public TimeSpan? RetryAfter { get; init; }

    public static ApiException BadRequest(string? param, string message, string? code = null) =>
        new(StatusCodes.Status400BadRequest, InvalidRequest, param, code, message);

    public static ApiException NotSupported(string field, string? instead = null) =>
        BadRequest(field, $"{field} is not supported{(instead is null ? string.Empty : "; " + instead)}", "unsupported_parameter");

    public static ApiException NotFound(string? param, string code, string message) =>
        new(StatusCodes.Status404NotFound, InvalidRequest, param, code, message);

    public static ApiException ShuttingDown() =>
        new(StatusCodes.Status503ServiceUnavailable, "service_unavailable", null, "shutting_down", "the server is shutting down") { RetryAfter = TimeSpan.FromSeconds(1) };

    /// <summary>What a failure looks like to a client; null for one that has left.</summary>
    public static ApiException? From(Exception failure, bool clientLeft) => failure switch
    {
        ApiException e => e,
        InvalidRequestException e => new(
            StatusCodes.Status400BadRequest, InvalidRequest, e.Field, e.IsContextLength ? "context_length_exceeded" : null, e.Message, e),
        EngineOverloadedException e => new(StatusCodes.Status429TooManyRequests, "rate_limit_error", null, "overloaded", e.Message, e) { RetryAfter = e.RetryAfter },
        RequestTimeoutException e => new(StatusCodes.Status504GatewayTimeout, "timeout_error", null, "request_timeout", e.Message, e),
        ModelOutputException e => new(StatusCodes.Status500InternalServerError, "server_error", null, "model_output_invalid", e.Message, e),
        ChatTemplateException e => new(StatusCodes.Status400BadRequest, InvalidRequest, "messages", null, e.Message, e),
        EngineStoppedException { InnerException: null } e => new(
            StatusCodes.Status503ServiceUnavailable, "service_unavailable", null, "shutting_down", e.Message, e)
        { RetryAfter = TimeSpan.FromSeconds(1) },
        ObjectDisposedException { ObjectName: var name } when name == typeof(AsyncEngine).FullName => ShuttingDown(),
        EngineStoppedException e => new(StatusCodes.Status500InternalServerError, "server_error", null, "engine_failed", e.Message, e),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } e => new(
            e.StatusCode, InvalidRequest, null, "request_too_large", e.Message, e),
        BadHttpRequestException e => new(e.StatusCode, InvalidRequest, null, null, e.Message, e),
        ConnectionResetException or ConnectionAbortedException => null,
        _ when clientLeft => null,
        OperationCanceledException => ShuttingDown(),
        _ => new(StatusCodes.Status500InternalServerError, "server_error", null, "internal_error", $"internal error: {failure.Message}", failure),
    };
}
