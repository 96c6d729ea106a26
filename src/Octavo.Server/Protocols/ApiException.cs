using System.Net;
using System.Text.Json;
using Octavo.Engine;
using Octavo.Text;

namespace Octavo.Server.Protocols;

/// <summary>An answer in OpenAI's error shape: a status and the four fields of <c>error</c>.</summary>
internal sealed class ApiException(
    HttpStatusCode status, string type, string? param, string? code, string message, Exception? inner = null)
    : Exception(message, inner)
{
    public const string InvalidRequest = "invalid_request_error";
    public const string ServerError = "server_error";
    public const string ContextLength = "context_length_exceeded";

    public HttpStatusCode Status { get; } = status;

    public string Type { get; } = type;

    public string? Param { get; } = param;

    public string? Code { get; } = code;

    /// <summary>When another try is worth it; null says nothing of that.</summary>
    public TimeSpan? RetryAfter { get; init; }

    public static ApiException BadRequest(string? param, string message, string? code = null) =>
        new(HttpStatusCode.BadRequest, InvalidRequest, param, code, message);

    /// <summary>Refuses a body where something is wrong with it.</summary>
    public static void ThrowIf(bool wrong, string param, string message)
    {
        if (wrong)
        {
            throw BadRequest(param, message);
        }
    }

    public static ApiException NotSupported(string field, string? instead = null) => BadRequest(
        field, $"{field} is not supported{(instead is null ? string.Empty : "; " + instead)}", "unsupported_parameter");

    public static ApiException NotFound(string? param, string code, string message) =>
        new(HttpStatusCode.NotFound, InvalidRequest, param, code, message);

    public static ApiException ShuttingDown(string message = "the server is shutting down", Exception? inner = null) =>
        new(HttpStatusCode.ServiceUnavailable, "service_unavailable", null, "shutting_down", message, inner)
        {
            RetryAfter = TimeSpan.FromSeconds(1),
        };

    /// <summary>A failure that is nobody's known one.</summary>
    public static ApiException Internal(Exception failure) => new(
        HttpStatusCode.InternalServerError,
        ServerError,
        null,
        "internal_error",
        $"internal error: {failure.Message}",
        failure);

    /// <summary>How a failure of a request or of the engine is answered; null for others.</summary>
    public static ApiException? From(Exception failure) => failure switch
    {
        ApiException e => e,
        InvalidRequestException e => From(e, WireNames.Of),
        EngineOverloadedException e => new(
            HttpStatusCode.TooManyRequests, "rate_limit_error", null, "overloaded", e.Message, e)
        {
            RetryAfter = e.RetryAfter,
        },
        RequestTimeoutException e => new(
            HttpStatusCode.GatewayTimeout, "timeout_error", null, "request_timeout", e.Message, e),
        ModelOutputException e => new(
            HttpStatusCode.InternalServerError, ServerError, null, "model_output_invalid", e.Message, e),
        ChatTemplateException e => new(HttpStatusCode.BadRequest, InvalidRequest, "messages", null, e.Message, e),
        EngineStoppedException { InnerException: null } e => ShuttingDown(e.Message, e),
        ObjectDisposedException { ObjectName: var name } when name == typeof(AsyncEngine).FullName => ShuttingDown(),
        EngineStoppedException e => new(
            HttpStatusCode.InternalServerError, ServerError, null, "engine_failed", e.Message, e),
        _ => null,
    };

    /// <summary>How a request's failure is answered in its own words.</summary>
    /// <param name="failure">The failure.</param>
    /// <param name="nameOf">What the request calls a parameter.</param>
    public static ApiException From(InvalidRequestException failure, Func<string, string> nameOf) => new(
        HttpStatusCode.BadRequest,
        InvalidRequest,
        nameOf(failure.Parameter),
        failure.IsContextLength ? ContextLength : null,
        failure.Describe(nameOf),
        failure);

    /// <summary>Writes <c>{"error":{…}}</c>.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("message", Message);
        json.WriteString("type", Type);
        json.WriteString("param", Param);
        json.WriteString("code", Code);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
