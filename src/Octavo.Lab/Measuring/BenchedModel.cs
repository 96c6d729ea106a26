using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Lab.Measuring;

/// <summary>What is measured: a <c>shape</c> with random weights, or a <c>model</c>.</summary>
/// <param name="Kind">Which of the two.</param>
/// <param name="Name">What it is called.</param>
internal sealed record BenchSubject(string Kind, string Name)
{
    /// <summary>A shape.</summary>
    public static BenchSubject Of(ModelShape shape) => new("shape", shape.Name);

    /// <summary>The model in a directory or file.</summary>
    public static BenchSubject Of(string path) =>
        new("model", Path.GetFileName(Path.TrimEndingDirectorySeparator(path)));

    /// <inheritdoc/>
    public override string ToString() => $"{Kind} {Name}";
}

/// <summary>A model whose steps are timed: one of a shape with random weights, or somebody's own.</summary>
internal sealed class BenchedModel : IDisposable
{
    private readonly Func<int, DecoderSpec> _describe;

    private BenchedModel(BenchSubject subject, Checkpoint checkpoint, Func<int, DecoderSpec> describe) =>
        (Subject, Checkpoint, _describe) = (subject, checkpoint, describe);

    /// <summary>What it is called.</summary>
    public BenchSubject Subject { get; }

    /// <summary>Its weights.</summary>
    public Checkpoint Checkpoint { get; }

    /// <summary>A model of a shape, made now.</summary>
    public static BenchedModel Random(ModelShape shape) => new(
        BenchSubject.Of(shape), RandomModel.MakeCheckpoint(shape), length => RandomModel.Describe(shape, length));

    /// <summary>The model in a directory or a GGUF file.</summary>
    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not supported.</exception>
    public static BenchedModel Open(string path)
    {
        ModelSource source = ModelSource.Open(path);
        Checkpoint checkpoint = source.OpenCheckpoint();
        try
        {
            DecoderSpec spec = ModelCatalog.Describe(source, checkpoint).Spec;
            return new BenchedModel(BenchSubject.Of(path), checkpoint, _ => spec);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>What it is, for sequences of up to a length.</summary>
    public DecoderSpec Describe(int maxPositions) => _describe(maxPositions);

    /// <inheritdoc/>
    public void Dispose() => Checkpoint.Dispose();
}
