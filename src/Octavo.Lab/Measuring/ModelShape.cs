
namespace Octavo.Lab.Measuring;

/// <summary>The widths of a Llama-like model to measure, with random weights.</summary>
/// <param name="Name">What it is called on the command line.</param>
/// <param name="Hidden">Width of the residual stream.</param>
/// <param name="Layers">Decoder layers.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KvHeads">Key-value heads.</param>
/// <param name="HeadDim">Width of a head.</param>
/// <param name="Intermediate">Width of the MLP's inner layer.</param>
/// <param name="Vocabulary">Rows of the embedding, which is also the output head.</param>
internal sealed record ModelShape(
    string Name, int Hidden, int Layers, int Heads, int KvHeads, int HeadDim, int Intermediate, int Vocabulary)
{
    /// <summary>The shapes there are.</summary>
    public static IReadOnlyList<ModelShape> All { get; } =
    [
        new("135m", 576, 30, 9, 3, 64, 1536, 49152),
        new("1b", 2048, 16, 32, 8, 64, 8192, 128256),
    ];

    /// <summary>One layer's matrices: name, output features, input features.</summary>
    public IReadOnlyList<(string Name, int Out, int In)> Linears =>
    [
        ("qkv", (Heads + (2 * KvHeads)) * HeadDim, Hidden),
        ("output", Hidden, Heads * HeadDim),
        ("gate·up", 2 * Intermediate, Hidden),
        ("down", Hidden, Intermediate),
    ];
}
