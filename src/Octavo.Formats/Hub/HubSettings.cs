using System.Text.RegularExpressions;

namespace Octavo.Formats.Hub;

/// <summary>Where the hub and its cache are, by the variables of Python's huggingface_hub.</summary>
internal sealed partial record HubSettings
{
    private const string DefaultEndpoint = "https://huggingface.co";
    private const int Patience = 1000;      // ms
    private static readonly string[] Truths = ["1", "ON", "YES", "TRUE"];

    /// <summary>The hub's address, without a slash at its end (<c>HF_ENDPOINT</c>).</summary>
    public required string Endpoint { get; init; }

    /// <summary>The cache's directory (<c>HF_HUB_CACHE</c>, else <c>HF_HOME/hub</c>).</summary>
    public required string CacheDirectory { get; init; }

    /// <summary>What proves who asks (<c>HF_TOKEN</c>, or the file that <c>hf auth login</c> writes).</summary>
    public string? Token { get; init; }

    /// <summary>Whether nothing may be fetched (<c>HF_HUB_OFFLINE</c>).</summary>
    public bool Offline { get; init; }

    /// <summary>Those of this process's environment.</summary>
    /// <exception cref="HubException">The address is none, or the token's file cannot be read.</exception>
    public static HubSettings FromEnvironment() => Read(Environment.GetEnvironmentVariable);

    /// <summary>Those of an environment.</summary>
    /// <param name="variable">A variable's value; null where it is not set.</param>
    /// <exception cref="HubException">The address is none, or the token's file cannot be read.</exception>
    public static HubSettings Read(Func<string, string?> variable)
    {
        string home = PathIn("HF_HOME")
            ?? Path.Combine(PathIn("XDG_CACHE_HOME") ?? Path.Combine(UserHome(), ".cache"), "huggingface");
        string endpoint = (Value("HF_ENDPOINT") ?? DefaultEndpoint).TrimEnd('/');
        if (!Uri.TryCreate(endpoint, UriKind.Absolute, out Uri? address) || address.Scheme is not ("http" or "https"))
        {
            throw new HubException(
                HubFailure.Unavailable, "HF_ENDPOINT",
                $"must be an address such as {DefaultEndpoint}; it is {endpoint}");
        }

        return new HubSettings
        {
            Endpoint = endpoint,
            CacheDirectory = Path.GetFullPath(
                PathIn("HF_HUB_CACHE") ?? PathIn("HUGGINGFACE_HUB_CACHE") ?? Path.Combine(home, "hub")),
            Token = Clean(Value("HF_TOKEN") ?? Value("HUGGING_FACE_HUB_TOKEN"))
                ?? ReadToken(PathIn("HF_TOKEN_PATH") ?? Path.Combine(home, "token")),
            Offline = IsTrue("HF_HUB_OFFLINE") || IsTrue("TRANSFORMERS_OFFLINE"),
        };

        string? Value(string name) => variable(name) is { Length: > 0 } value ? value : null;

        bool IsTrue(string name) => Truths.Contains(Value(name)?.ToUpperInvariant());

        string? PathIn(string name) => Value(name) is { } path ? Expand(path) : null;

        string UserHome() => Value("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

        // As Python's expanduser and expandvars.
        string Expand(string path)
        {
            path = path == "~" || path.StartsWith("~/", StringComparison.Ordinal) ? UserHome() + path[1..] : path;
            return Variable().Replace(
                path, match => variable(match.Groups["name"].Value) is { } value ? value : match.Value);
        }
    }

    private static string? ReadToken(string file)
    {
        try
        {
            return File.Exists(file) ? Clean(File.ReadAllText(file)) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new HubException(HubFailure.Storage, file, $"the token cannot be read: {e.Message}", e);
        }
    }

    private static string? Clean(string? token)
    {
        token = token?.ReplaceLineEndings(string.Empty).Trim();
        return string.IsNullOrEmpty(token) ? null : token;
    }

    [GeneratedRegex(
        @"\$(?:(?<name>\w+)|\{(?<name>\w+)\})",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        Patience)]
    private static partial Regex Variable();
}
