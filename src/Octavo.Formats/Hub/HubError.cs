using System.Net;

namespace Octavo.Formats.Hub;

/// <summary>What an answer means that is none of what was asked for, in words that help.</summary>
internal static class HubError
{
    private const string CodeHeader = "X-Error-Code";
    private const string MessageHeader = "X-Error-Message";

    /// <summary>The exception of an answer.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="name">The model that was asked for.</param>
    /// <param name="address">What was asked.</param>
    /// <param name="isHub">Whether that is the hub itself, and not who keeps its contents.</param>
    /// <param name="settings">How it was asked.</param>
    public static HubException Of(
        HttpResponseMessage answer, HubName name, Uri address, bool isHub, HubSettings settings)
    {
        int status = (int)answer.StatusCode;
        string? code = Header(answer, CodeHeader);
        string? message = Header(answer, MessageHeader);
        const string nowhere = "there is no such directory, and no such model at";
        string page = $"{settings.Endpoint}/{name.Repository}";
        if (status is 408 or 429 or >= 500)
        {
            return Transient($"{address.GetLeftPart(UriPartial.Path)} answers {status} ({Words(answer, message)})");
        }

        if (answer.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            return New(HubFailure.Damaged, $"{address.GetLeftPart(UriPartial.Path)} is shorter than the hub says");
        }

        if (!isHub)
        {
            // An address that the hub made for a while only; it is asked for another one.
            return Transient($"{address.GetLeftPart(UriPartial.Authority)}, to which the hub redirects, answers "
                + $"{status} ({Words(answer, message)})");
        }

        if (code == "GatedRepo")
        {
            return New(HubFailure.Forbidden, settings.Token is null
                ? $"the model is gated: accept its terms at {page}, and set HF_TOKEN to a token of that account"
                : $"the model is gated, and the account of this token may not read it: accept its terms at {page} "
                    + "and wait until access is granted, or set HF_TOKEN to another account's token");
        }

        if (code == "RevisionNotFound")
        {
            return New(HubFailure.NotFound, $"{page} has no revision '{name.RevisionOrDefault}'");
        }

        if (code == "EntryNotFound")
        {
            return New(HubFailure.NotFound, $"{page} has no file {address.AbsolutePath}");
        }

        // The hub says 401 of models that are not there to who does not say who asks.
        return answer.StatusCode switch
        {
            HttpStatusCode.Unauthorized when settings.Token is null => New(
                HubFailure.NotFound, $"{nowhere} {settings.Endpoint}, or it is private: then set "
                    + "HF_TOKEN to a token that may read it"),
            HttpStatusCode.Unauthorized => New(
                HubFailure.Forbidden,
                $"{settings.Endpoint} does not take the token ({Words(answer, message)}): set HF_TOKEN to a valid one"),
            HttpStatusCode.Forbidden => New(
                HubFailure.Forbidden, $"{page} may not be read with this token ({Words(answer, message)})"),
            HttpStatusCode.NotFound => New(
                HubFailure.NotFound, $"{nowhere} {settings.Endpoint}"
                    + (settings.Token is null ? string.Empty : ", or the token may not read it")),
            _ => New(HubFailure.Unavailable, $"{address} answers {status} ({Words(answer, message)})"),
        };

        HubException New(HubFailure failure, string problem) => new(failure, name.ToString(), problem);

        HubException Transient(string problem) => new(HubFailure.Unavailable, name.ToString(), problem)
        {
            IsTransient = true,
            RetryAfter = RetryAfter(answer),
        };
    }

    private static TimeSpan? RetryAfter(HttpResponseMessage answer) => answer.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date - (answer.Headers.Date ?? TimeProvider.System.GetUtcNow()),
        _ => null,
    };

    private static string Words(HttpResponseMessage answer, string? message) =>
        message ?? answer.ReasonPhrase ?? answer.StatusCode.ToString();

    private static string? Header(HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.First() : null;
}
