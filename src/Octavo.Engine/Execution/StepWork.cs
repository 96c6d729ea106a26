namespace Octavo.Engine;

/// <summary>
/// What a step of a model reads and computes: with the time of one or two steps it says about how long others take.
/// </summary>
internal readonly record struct StepWork
{
    /// <summary>Bytes that every step reads, whatever it computes: the weights.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>Weights that each token is multiplied with.</summary>
    public required long LayerWeights { get; init; }

    /// <summary>Weights that each row of logits takes beside: the output head's.</summary>
    public required long HeadWeights { get; init; }

    /// <summary>Bytes of keys and values that a decoding sequence reads for each token before it.</summary>
    public required long KvBytesPerToken { get; init; }

    /// <summary>Multiplications for each pair of a query and a key.</summary>
    public required long WorkPerPair { get; init; }
}
