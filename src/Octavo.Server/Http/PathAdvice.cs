namespace Octavo.Server.Http;

/// <summary>What a wrong path may have meant.</summary>
internal static class PathAdvice
{
    private const string Completions = "/v1/completions";
    private const string Chat = "/v1/chat/completions";
    private const string Models = "/v1/models";
    private const string Health = "/health";

    private static readonly string[] Unversioned = ["/completions", "/chat/completions", "/models"];

    private static readonly string[] Known =
        [
            Completions,
            Chat,
            Models,
            .. Unversioned,
            "/tokenize",
            "/detokenize",
            Health,
            "/ping",
            "/version",
            "/metrics"
        ];

    // What other servers call it, by the last words of the path.
    private static readonly Dictionary<string, string> Elsewhere = new(StringComparer.OrdinalIgnoreCase)
    {
        ["generate"] = Completions,
        ["generate_stream"] = Completions,
        ["completion"] = Completions,
        ["complete"] = Completions,
        ["infill"] = Completions,
        ["chat"] = Chat,
        ["messages"] = Chat,
        ["responses"] = Chat,
        ["apply-template"] = "/tokenize",
        ["tags"] = Models,
        ["model"] = Models,
        ["info"] = Models,
        ["props"] = Models,
        ["v1"] = Models,
        ["healthz"] = Health,
        ["livez"] = Health,
        ["readyz"] = Health,
        ["ready"] = Health,
        ["live"] = Health,
        ["health_generate"] = Health,
        ["status"] = Health,
    };

    /// <summary>A question: did you mean this path, or one of those that there are?</summary>
    public static string For(string path) => Nearest(path) is { } meant
        ? $"did you mean {meant}?"
        : $"did you mean one of {string.Join(", ", Known.Except(Unversioned))}?";

    private static string? Nearest(string path)
    {
        string asked = path.TrimEnd('/').ToLowerInvariant();

        // A path with something before it: /v1/v1/models, /openai/v1/completions, /v1/health.
        if (Known.OrderByDescending(k => k.Length)
            .FirstOrDefault(k => asked.EndsWith(k, StringComparison.Ordinal)) is { } end)
        {
            return end switch
            {
                "/completions" => Completions,
                "/chat/completions" => Chat,
                "/models" => Models,
                _ => end,
            };
        }

        (string? known, int distance) = Known.Select(k => (k, EditDistance.Of(asked, k))).MinBy(k => k.Item2);
        return distance <= Math.Max(2, known.Length / 5) ? known
            : Elsewhere.GetValueOrDefault(asked[(asked.LastIndexOf('/') + 1)..]);
    }
}
