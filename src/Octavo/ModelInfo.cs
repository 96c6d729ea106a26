using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo;

/// <summary>A loaded model and how it was laid out.</summary>
public sealed record ModelInfo
{
    internal ModelInfo(DecoderSpec spec) => Spec = spec;

    /// <summary>The name it goes by.</summary>
    public required string Name { get; init; }

    /// <summary>Its directory.</summary>
    public required string Path { get; init; }

    /// <summary>
    /// Tells its checkpoint from others: a hash of names, sizes and headers (<see cref="CheckpointFingerprint"/>).
    /// </summary>
    public string CheckpointHash { get; init; } = string.Empty;

    /// <summary>The kind of model, such as <c>LlamaForCausalLM</c>.</summary>
    public string Architecture => Spec.Architecture;

    /// <summary>Tokens that it knows.</summary>
    public int VocabSize => Spec.VocabSize;

    /// <summary>Its decoder.</summary>
    internal DecoderSpec Spec { get; }

    /// <summary>
    /// The tokens that end a text: the tokenizer's EOS, then those of <c>generation_config.json</c> and
    /// <c>config.json</c>.
    /// </summary>
    public required IReadOnlyList<int> EosTokenIds { get; init; }

    /// <summary>The longest sequence, prompt and output, in tokens.</summary>
    public required int MaxModelLen { get; init; }

    /// <summary>The most requests in a step.</summary>
    public required int MaxNumSeqs { get; init; }

    /// <summary>The most tokens in a step.</summary>
    public required int MaxNumBatchedTokens { get; init; }

    /// <summary>How weights are stored that the checkpoint does not store quantized already.</summary>
    public required WeightScheme Weights { get; init; }

    /// <summary>
    /// How the output head is stored; null where it follows <see cref="Weights"/>, with eight bits at least.
    /// </summary>
    public WeightScheme? Head { get; init; }

    /// <summary>How the checkpoint stores its weights quantized, in words; null where it does not.</summary>
    public string? StoredQuantization { get; init; }

    /// <summary>What is not done exactly as the checkpoint or the options ask, in words; usually nothing.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>How keys and values are stored.</summary>
    public required KvCacheFormat KvCache { get; init; }

    /// <summary>Tokens a block of the key-value cache.</summary>
    public required int BlockSize { get; init; }

    /// <summary>Blocks in the key-value cache.</summary>
    public required int NumBlocks { get; init; }

    /// <summary>What layers keep in blocks of the key-value cache.</summary>
    internal IReadOnlyList<CacheGroup> CacheGroups { get; init; } = CacheGroup.Everything;

    /// <summary>Bytes of a token's keys and values in all layers.</summary>
    internal long CacheBytesPerToken { get; init; }

    /// <summary>
    /// Tokens that the key-value cache holds; where layers keep no more than a window, those of sequences of the
    /// greatest length.
    /// </summary>
    public long KvCacheTokens => CacheGroups.TokensIn(NumBlocks, BlockSize, MaxModelLen, MaxNumBatchedTokens);

    /// <summary>Bytes of the key-value cache.</summary>
    public required long KvCacheBytes { get; init; }

    /// <summary>Bytes of the packed weights.</summary>
    public long WeightBytes { get; init; }

    /// <summary>
    /// Bytes that a step passes through, beside weights and cache: activations, and a row of logits for each request.
    /// </summary>
    public long StepBytes { get; init; }

    /// <summary>The memory that was found when this was planned.</summary>
    public required MachineMemory Memory { get; init; }

    /// <summary>
    /// The part of <see cref="MachineMemory.Free"/> that weights, cache and step share; null where the cache's size was
    /// given.
    /// </summary>
    public double? MemoryFraction { get; init; }

    /// <summary>What the kernels are made for, such as <c>avx512vnni</c>.</summary>
    public required string Kernels { get; init; }

    /// <summary>Threads that share the work.</summary>
    public required int Threads { get; init; }

    /// <summary>The sampling defaults of <c>generation_config.json</c>.</summary>
    public required GenerationDefaults GenerationDefaults { get; init; }

    /// <summary>
    /// What a request samples with that says nothing: the model's own defaults over vLLM's. Where
    /// <c>generation_config.json</c> has <c>do_sample</c> false, that is greedy.
    /// </summary>
    public SamplingParams DefaultSamplingParams => new()
    {
        Temperature = GenerationDefaults.DoSample == false ? 0f : GenerationDefaults.Temperature ?? 1f,
        TopP = GenerationDefaults.TopP ?? 1f,
        TopK = GenerationDefaults.TopK ?? 0,
        MinP = GenerationDefaults.MinP ?? 0f,
        RepetitionPenalty = GenerationDefaults.RepetitionPenalty ?? 1f,
        MaxTokens = GenerationDefaults.MaxNewTokens ?? 16,
    };
}
