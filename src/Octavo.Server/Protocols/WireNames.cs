using System.Text.Json;

namespace Octavo.Server.Protocols;

/// <summary>What bodies call the parameters of a request: <c>MaxTokens</c> is <c>max_tokens</c>.</summary>
internal static class WireNames
{
    public static string Of(string parameter) => JsonNamingPolicy.SnakeCaseLower.ConvertName(parameter);
}
