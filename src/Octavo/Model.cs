using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Text;
using Octavo.Text.Files;

namespace Octavo;

/// <summary>A model's files, opened: what it is, and its weights where they stand. Nothing is loaded by it.</summary>
/// <remarks><c>Model.Open(model)</c>, <c>Plan(options)</c>, <see cref="ModelPlan.Load"/>: what the plan says is
/// what is loaded.
/// The model stays open as long as what was loaded from it.</remarks>
public sealed class Model : IDisposable
{
    private readonly ModelSource _source;

    private Model(ModelSource source, ModelDescription description, Checkpoint checkpoint)
    {
        (_source, Description, Checkpoint) = (source, description, checkpoint);
        Name = ModelPath.NameOf(source.Path);
    }

    /// <summary>Its name on the hub where it is from there, else its directory's or file's.</summary>
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

    /// <summary>Opens a model: a Hugging Face directory, a GGUF file, or one on the hub, which is fetched where it is
    /// not here.</summary>
    /// <param name="model">
    /// The directory or file (of a model in several parts, any one), or a name on the hub:
    /// <c>ORG/NAME[@REVISION]</c>, or <c>ORG/NAME:QUANT</c> for its GGUF file. What is there goes before a name.
    /// </param>
    /// <param name="download">Hears how far a download is.</param>
    /// <param name="cancellationToken">Stops a download; what has come is kept.</param>
    /// <exception cref="ArgumentException">The name is null or empty.</exception>
    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    /// <exception cref="HubException">The model is not on the hub, or cannot be fetched.</exception>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not supported.</exception>
    public static Model Open(
        string model, IProgress<DownloadProgress>? download = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(model);
        ModelSource source = ModelSource.Open(ModelPath.Find(model, download, cancellationToken));
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
