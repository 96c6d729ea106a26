namespace Octavo.Models;

/// <summary>
/// The largest sizes that a config may state: some ten times those of the largest known models, so that a nonsense
/// value is an error that names its field, and products of any two fit in 64 bits.
/// </summary>
internal static class ConfigLimits
{
    public const int Vocabulary = 1 << 24;
    public const int Width = 1 << 20;
    public const int Layers = 4096;
    public const int Heads = 1 << 14;
    public const int HeadDim = 1 << 14;
    public const int Positions = 1 << 28;
}
