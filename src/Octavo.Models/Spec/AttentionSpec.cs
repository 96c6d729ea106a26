namespace Octavo.Models;

/// <summary>Causal self-attention with grouped query heads (arXiv 2305.13245).</summary>
internal sealed record AttentionSpec : PartSpec
{
    /// <summary>Number of query heads.</summary>
    public required int NumHeads { get; init; }

    /// <summary>Number of key-value heads; divides <see cref="NumHeads"/>.</summary>
    public required int NumKvHeads { get; init; }

    /// <summary>Width of one head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>How positions enter attention; null where they do not.</summary>
    public PositionSpec? Positions { get; init; }

    /// <summary>What dot products of queries and keys are multiplied with; null is <c>1 / sqrt(HeadDim)</c>.</summary>
    public float? Scale { get; init; }

    /// <summary>
    /// Scores become <c>cap · tanh(score / cap)</c> (Gemma 2's <c>attn_logit_softcapping</c>); null leaves them.
    /// </summary>
    public float? SoftCap { get; init; }

    /// <summary>
    /// How many positions, its own included, a token attends to (Mistral's <c>sliding_window</c>); null is all before
    /// it.
    /// </summary>
    public int? Window { get; init; }

    /// <summary>
    /// Queries, keys and values are cut off beyond this magnitude as they are projected; null leaves them.
    /// </summary>
    public float? Clip { get; init; }

    /// <summary>
    /// The norm of each query head, or of all query heads together, as its width says; null where there is none.
    /// </summary>
    public NormSpec? QueryNorm { get; init; }

    /// <summary>The norm of each key head, or of all together.</summary>
    public NormSpec? KeyNorm { get; init; }

    /// <summary>The norm of each value head.</summary>
    public NormSpec? ValueNorm { get; init; }

    /// <summary>Whether heads are normed after they are rotated, and not before.</summary>
    public bool NormsAfterRotation { get; init; }

    /// <summary>What queries are multiplied with by their position; null is nothing.</summary>
    public QueryTemperature? Temperature { get; init; }

    /// <summary>
    /// A score for each query head, <c>[heads]</c>, that takes part in the softmax and has no value (StreamingLLM,
    /// arXiv 2309.17453); null where there is none.
    /// </summary>
    public string? Sinks { get; init; }

    /// <summary>Query projection, <c>[heads · headDim, hidden]</c>.</summary>
    public required LinearTensors Query { get; init; }

    /// <summary>Key projection, <c>[kvHeads · headDim, hidden]</c>; null where <see cref="CacheOf"/> is set.</summary>
    public required LinearTensors? Key { get; init; }

    /// <summary>
    /// Value projection, <c>[kvHeads · headDim, hidden]</c>; null where values are what the key projection gives,
    /// before its norm and rotation.
    /// </summary>
    public required LinearTensors? Value { get; init; }

    /// <summary>
    /// Of the decoder's attentions, the number of the one whose keys and values this one reads; null where it has its
    /// own.
    /// </summary>
    public int? CacheOf { get; init; }

    /// <summary>Output projection, <c>[hidden, heads · headDim]</c>.</summary>
    public required LinearTensors Output { get; init; }

    /// <summary>The module below which a checkpoint may store the scales of an E4M3 cache, or null.</summary>
    public string? CacheScales { get; init; }

    /// <summary>Heads, heads of keys and values, width of a head: layers of one shape can share buffers.</summary>
    public (int Heads, int KvHeads, int HeadDim) Shape => (NumHeads, NumKvHeads, HeadDim);

    /// <summary>Width of all query heads.</summary>
    public int QueryWidth => NumHeads * HeadDim;

    /// <summary>Width of all keys of a token, and of all its values.</summary>
    public int KeyWidth => NumKvHeads * HeadDim;

    /// <inheritdoc/>
    public override IEnumerable<NormSpec> Norms =>
        [.. base.Norms, .. new[] { QueryNorm, KeyNorm, ValueNorm }.OfType<NormSpec>()];

    /// <inheritdoc/>
    public override IEnumerable<VectorSpec> Vectors =>
        [.. base.Vectors, .. Sinks is null ? [] : new[] { new VectorSpec(Sinks, NumHeads) }];

    /// <inheritdoc/>
    public override IReadOnlyList<LinearSpec> Linears =>
    [
        new(
            LinearRole.QueryKeyValue,
            [
                new(MatrixRole.Query, Query, QueryWidth, Width),
                .. Key is null ? [] : new[] { new MatrixSpec(MatrixRole.Key, Key, KeyWidth, Width) },
                .. Value is null ? [] : new[] { new MatrixSpec(MatrixRole.Value, Value, KeyWidth, Width) },
            ]),
        new(LinearRole.AttentionOutput, [new(MatrixRole.AttentionOutput, Output, Width, QueryWidth)]),
    ];
}

/// <summary>
/// Queries are multiplied with <c>1 + β · ln(1 + ⌊position / original⌋)</c>, as in Ministral 3 (after Llama 4).
/// </summary>
/// <param name="Beta">β.</param>
/// <param name="OriginalMaxPositionEmbeddings">The context that nothing changes in.</param>
internal sealed record QueryTemperature(double Beta, int OriginalMaxPositionEmbeddings)
{
    /// <summary>The factor at a position.</summary>
    public float At(int position) =>
        (float)(1 + (Beta * Math.Log(1 + (position / OriginalMaxPositionEmbeddings))));
}
