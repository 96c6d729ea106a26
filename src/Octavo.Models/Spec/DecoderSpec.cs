namespace Octavo.Models;

/// <summary>
/// What a decoder-only transformer is, as data: a header and a list of layers, each made of parts, with the names of
/// all tensors. A model family maps <c>config.json</c> onto it; a runner interprets it. No code belongs here.
/// </summary>
/// <remarks>
/// Whoever packs, counts, checks, writes or quantizes weights walks <see cref="Tables"/>, <see cref="Linears"/> and
/// <see cref="Norms"/>, or those of a part; what a decoder is made of is written down nowhere else.
/// </remarks>
internal sealed record DecoderSpec
{
    /// <summary>The Hugging Face architecture name, such as <c>LlamaForCausalLM</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>Rows of the token embedding and of the output head.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>
    /// Width of the token embedding; differs from <see cref="HiddenSize"/> only where projections stand between.
    /// </summary>
    public required int EmbeddingSize { get; init; }

    /// <summary>The longest sequence the model was made for, in tokens.</summary>
    public required int MaxPositionEmbeddings { get; init; }

    /// <summary>The tensor of the token embedding, <c>[vocab, embeddingSize]</c>.</summary>
    public required string TokenEmbedding { get; init; }

    /// <summary>What token embeddings are multiplied with.</summary>
    public float EmbeddingScale { get; init; } = 1;

    /// <summary>The norm of token embeddings, or null.</summary>
    public NormSpec? EmbeddingNorm { get; init; }

    /// <summary>Learned positions, or null.</summary>
    public LearnedPositions? LearnedPositions { get; init; }

    /// <summary>What layers are given beside the residual stream, or null.</summary>
    public LayerInputs? LayerInputs { get; init; }

    /// <summary>From embedding to residual width, <c>[hidden, embeddingSize]</c>, or null.</summary>
    public LinearTensors? ProjectIn { get; init; }

    /// <summary>The layers, first to last.</summary>
    public required IReadOnlyList<LayerSpec> Layers { get; init; }

    /// <summary>The norm after the last layer, or null.</summary>
    public NormSpec? FinalNorm { get; init; }

    /// <summary>From residual to embedding width, <c>[embeddingSize, hidden]</c>, or null.</summary>
    public LinearTensors? ProjectOut { get; init; }

    /// <summary>
    /// Output head, <c>[vocab, embeddingSize]</c>; null where it is tied to <see cref="TokenEmbedding"/>.
    /// </summary>
    public LinearTensors? OutputHead { get; init; }

    /// <summary>What logits are multiplied with.</summary>
    public float LogitsScale { get; init; } = 1;

    /// <summary>Logits become <c>cap · tanh(logit / cap)</c>; null leaves them.</summary>
    public float? LogitsSoftCap { get; init; }

    /// <summary>
    /// The longest sequence that a model is loaded for where nothing else is asked: beyond it, some rules of rotary
    /// positions change the results of shorter sequences, too.
    /// </summary>
    public int DefaultMaxModelLen =>
        Scalings.Select(scaling => scaling.UnchangedUpTo).Append(MaxPositionEmbeddings).Min()!.Value;

    /// <summary>The longest sequence that a model can be loaded for.</summary>
    public int LongestModelLen =>
        Scalings.Select(scaling => scaling.Reach(MaxPositionEmbeddings)).Append(MaxPositionEmbeddings).Max();

    private IEnumerable<RopeScaling> Scalings =>
        Attentions.Select(attention => (attention.Positions as RotaryPositions)?.Scaling).OfType<RopeScaling>();

    /// <summary>Number of layers.</summary>
    public int NumLayers => Layers.Count;

    /// <summary>The attention of all layers, first to last.</summary>
    public IEnumerable<AttentionSpec> Attentions => Layers.SelectMany(layer => layer.Parts).OfType<AttentionSpec>();

    /// <summary>The attentions that keep keys and values of their own: what a cache has layers for.</summary>
    public IEnumerable<AttentionSpec> CachedAttentions => Attentions.Where(attention => attention.CacheOf is null);

    /// <summary>The MLPs of all layers, first to last.</summary>
    public IEnumerable<FeedForwardSpec> FeedForwards =>
        Layers.SelectMany(layer => layer.Parts).OfType<FeedForwardSpec>();

    /// <summary>The token embedding.</summary>
    public TableSpec TokenTable => new(TokenEmbedding, VocabSize, EmbeddingSize);

    /// <summary>The table of <see cref="LearnedPositions"/>, or null.</summary>
    public TableSpec? PositionTable => LearnedPositions is { } learned
        ? new(learned.Table, MaxPositionEmbeddings + learned.Offset, HiddenSize)
        : null;

    /// <summary>The tensors that are read by row: embeddings.</summary>
    public IEnumerable<TableSpec> Tables => [TokenTable, .. Optional(PositionTable), .. Optional(LayerInputTable)];

    /// <summary>The table of <see cref="LayerInputs"/>, or null.</summary>
    public TableSpec? LayerInputTable => LayerInputs is { } inputs
        ? new(inputs.Table, inputs.TableRows, inputs.Count * inputs.Width)
        : null;

    /// <summary>The projection of <see cref="LayerInputs"/> as it is run.</summary>
    public LinearSpec? LayerInputProjection => LayerInputs is { } inputs
        ? Linear(
            LinearRole.LayerInputs, MatrixRole.LayerInputs, inputs.Projection, inputs.Count * inputs.Width, HiddenSize)
        : null;

    /// <summary><see cref="ProjectIn"/> as it is run.</summary>
    public LinearSpec? InputProjection =>
        Linear(LinearRole.ProjectIn, MatrixRole.ProjectIn, ProjectIn, HiddenSize, EmbeddingSize);

    /// <summary><see cref="ProjectOut"/> as it is run.</summary>
    public LinearSpec? OutputProjection =>
        Linear(LinearRole.ProjectOut, MatrixRole.ProjectOut, ProjectOut, EmbeddingSize, HiddenSize);

    /// <summary>The output head as it is run: its own, or the token embedding.</summary>
    public LinearSpec Head =>
        Linear(
            LinearRole.OutputHead, MatrixRole.OutputHead, OutputHead ?? new LinearTensors(TokenEmbedding, null),
            VocabSize, EmbeddingSize)!;

    /// <summary>Whether the token embedding is the output head, too.</summary>
    public bool TiesHead => OutputHead is null;

    /// <summary>
    /// The linear layers that have tensors of their own, in the order of a step; a tied head is among the
    /// <see cref="Tables"/>.
    /// </summary>
    public IEnumerable<LinearSpec> Linears =>
    [
        .. Optional(InputProjection),
        .. Optional(LayerInputProjection),
        .. Layers.SelectMany(layer => layer.Linears),
        .. Optional(OutputProjection),
        .. Optional(TiesHead ? null : Head),
    ];

    /// <summary>What parts compute with beside matrices and norms.</summary>
    public IEnumerable<VectorSpec> Vectors => Layers.SelectMany(layer => layer.Vectors);

    /// <summary>All norms, in the order of a step.</summary>
    public IEnumerable<NormSpec> Norms =>
    [
        .. Optional(EmbeddingNorm),
        .. Optional(LayerInputs?.Norm),
        .. Layers.SelectMany(layer => layer.Norms),
        .. Optional(FinalNorm),
    ];

    /// <summary>What stands before and behind the layers.</summary>
    public DecoderSpec WithoutLayers() => this with { Layers = [] };

    private static IEnumerable<T> Optional<T>(T? one)
        where T : class => one is null ? [] : [one];

    private static LinearSpec? Linear(
        LinearRole role, MatrixRole matrix, LinearTensors? names, int rows, int columns) =>
        names is null ? null : new LinearSpec(role, [new MatrixSpec(matrix, names, rows, columns)]);
}

/// <summary>A table of learned positions, added to the token embedding.</summary>
/// <param name="Table">Its tensor, <c>[maxPositions + offset, hidden]</c>.</param>
/// <param name="Offset">The row of position 0 (OPT: 2).</param>
internal sealed record LearnedPositions(string Table, int Offset);
