namespace Octavo.Text.Templates;

/// <summary>
/// What a chat template is given. Values are null, bool, long, double, string, and lists and maps of these
/// (<c>List&lt;object?&gt;</c>, <c>Dictionary&lt;string, object?&gt;</c>), or what
/// <see cref="TemplateJson"/> reads.
/// </summary>
internal sealed record TemplateInput
{
    /// <summary>The conversation: a map each.</summary>
    public required IReadOnlyList<object?> Messages { get; init; }

    /// <summary>The tools that the model may call, as JSON schemas; null for none.</summary>
    public object? Tools { get; init; }

    /// <summary>The documents to answer from, a map each; null for none.</summary>
    public object? Documents { get; init; }

    /// <summary>Whether to open the answer.</summary>
    public bool AddGenerationPrompt { get; init; }

    /// <summary>
    /// The field of the final message that the answer goes on with, <c>content</c> as a rule; null where it begins
    /// anew.
    /// </summary>
    public string? ContinueFinalMessage { get; init; }

    /// <summary>The special tokens by name; arguments of the same name go over them.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; init; } = new Dictionary<string, string>();

    /// <summary>Further variables (<c>chat_template_kwargs</c>).</summary>
    public IReadOnlyDictionary<string, object?> Arguments { get; init; } = new Dictionary<string, object?>();

    /// <summary>What <c>strftime_now</c> reads.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
