using System.Text;
using Microsoft.AspNetCore.Http;

namespace Octavo.Server.Http;

/// <summary>The id that an answer carries.</summary>
internal static class RequestId
{
    private const int MaxLength = 256;
    private const string Header = "X-Request-Id";

    /// <summary>Gives an answer the client's own id, or a new one.</summary>
    public static void Set(HttpContext context)
    {
        string sent = context.Request.Headers[Header].ToString();
        bool fits = sent.Length is > 0 and <= MaxLength && Ascii.IsValid(sent);
        context.Response.Headers[Header] = fits ? sent : Guid.NewGuid().ToString("N");
    }
}
