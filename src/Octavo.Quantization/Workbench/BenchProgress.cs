namespace Octavo.Quantization;

/// <summary>How far something long is.</summary>
/// <param name="Done">Units done.</param>
/// <param name="Total">All units.</param>
/// <param name="Doing">What is being done.</param>
public readonly record struct BenchProgress(long Done, long Total, string Doing);
