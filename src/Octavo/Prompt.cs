using Octavo.Text.Prompts;

namespace Octavo;

/// <summary>A prompt: a text, or token ids.</summary>
public sealed record Prompt
{
    private Prompt()
    {
    }

    /// <summary>The text, or null.</summary>
    public string? Text { get; private init; }

    /// <summary>The token ids, or null.</summary>
    public IReadOnlyList<int>? TokenIds { get; private init; }

    /// <summary>False where the text holds its special tokens already, as a rendered chat template does.</summary>
    public bool AddSpecialTokens { get; init; } = true;

    /// <summary>What of the text a chat template wrote itself; null for a text that comes as it is.</summary>
    internal RenderedPrompt? Rendered { get; private init; }

    /// <summary>Whether special tokens that a chat's messages spell out are text.</summary>
    internal bool SplitSpecialTokens { get; init; } = true;

    /// <summary>A prompt of a text.</summary>
    public static implicit operator Prompt(string text) => FromText(text);

    /// <summary>A prompt of token ids.</summary>
    public static implicit operator Prompt(int[] tokenIds) => FromTokenIds(tokenIds);

    /// <summary>A prompt of a text.</summary>
    public static Prompt FromText(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new Prompt { Text = text };
    }

    /// <summary>
    /// A prompt that a chat template made. As in vLLM it wrote its special tokens itself, so none are added.
    /// </summary>
    internal static Prompt FromRendered(RenderedPrompt rendered) =>
        new() { Text = rendered.Text, Rendered = rendered, AddSpecialTokens = false };

    /// <summary>A prompt of token ids.</summary>
    public static Prompt FromTokenIds(IReadOnlyList<int> tokenIds)
    {
        ArgumentNullException.ThrowIfNull(tokenIds);
        return new Prompt { TokenIds = tokenIds };
    }
}
