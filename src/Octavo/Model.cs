using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Text;
using Octavo.Text.Files;

namespace Octavo;

/// <summary>A model's files, opened: what it is, and its weights where they stand. Nothing is loaded by it.</summary>
/// <remarks><c>Model.Open(directory)</c>, <c>Plan(options)</c>, <see cref="ModelPlan.Load"/>: what the plan says is
/// what is loaded.
/// The model stays open as long as what was loaded from it.</remarks>
public sealed class Model : IDisposable
{
    private readonly ModelSource _source;

    private Model(ModelSource source, ModelDescription description, Checkpoint checkpoint)
    {
        (_source, Description, Checkpoint) = (source, description, checkpoint);
        string path = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(source.Path));
        Name = source.Gguf is null
            ? System.IO.Path.GetFileName(path)
            : System.IO.Path.GetFileNameWithoutExtension(path);
    }

    /// <summary>The name of its directory or file.</summary>
    public string Name { get; }

    /// <summary>Where it stands.</summary>
    public string Path => _source.Path;

    /// <summary>Whether a tokenizer stands beside it, or in it.</summary>
    public bool HasTokenizer => _source.Gguf is not null || TokenizerFiles.Vocabularies.Any(_source.Has);

    /// <summary>What it is.</summary>
    internal ModelDescription Description { get; }

    /// <summary>Its decoder.</summary>
    internal DecoderSpec Spec => Description.Spec;

    /// <summary>Its tensors.</summary>
    internal Checkpoint Checkpoint { get; }

    /// <summary>The sampling defaults that its author gives.</summary>
    public GenerationDefaults Generation => _source.Generation;

    /// <summary>Opens a model: a Hugging Face directory, or a GGUF file.</summary>
    /// <param name="path">The directory or file; of a model in several parts, any one.</param>
    /// <exception cref="ArgumentException">The path is null or empty.</exception>
    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not supported.</exception>
    public static Model Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ModelSource source = ModelSource.Open(path);
        Checkpoint checkpoint = source.OpenCheckpoint();
        try
        {
            return new Model(source, ModelCatalog.Describe(source, checkpoint), checkpoint);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>Loads its tokenizer.</summary>
    /// <exception cref="TokenizerFormatException">It is missing, malformed or of an unsupported kind.</exception>
    public Tokenizer LoadTokenizer() => _source.Gguf is null
        ? Tokenizer.Load(new TokenizerFiles(_source.NameOf, _source.Read))
        : Tokenizer.LoadFile(_source.Path);

    /// <summary>Decides how it will be laid out and run.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="tokenizer">Its tokenizer, whose EOS ends a text, too; null where there is none.</param>
    /// <exception cref="EngineConfigurationException">The options cannot work with this model or machine.</exception>
    public ModelPlan Plan(EngineOptions options, Tokenizer? tokenizer = null) =>
        Plan(options, tokenizer, MachineMemory.Read());

    internal ModelPlan Plan(EngineOptions options, Tokenizer? tokenizer, MachineMemory memory) =>
        new(this, options, tokenizer, memory);

    /// <inheritdoc/>
    public void Dispose() => Checkpoint.Dispose();
}
