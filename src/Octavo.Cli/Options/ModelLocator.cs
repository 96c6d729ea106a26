using Octavo.Cli.Terminal;
using Octavo.Formats;
using Octavo.Formats.Hub;

namespace Octavo.Cli.Options;

/// <summary>Finds the model that a command line means.</summary>
internal static class ModelLocator
{
    /// <summary>What helps say that an option or an argument takes.</summary>
    public const string Takes = "The model's directory, or its name on the hub (ORG/NAME[@REVISION], ORG/NAME:QUANT)";

    /// <summary>The name of the model that comes with the program.</summary>
    public const string BundledName = "tales";

    /// <summary>Where it lies: beside the program.</summary>
    public static string BundledPath => Path.Combine(AppContext.BaseDirectory, "models", BundledName);

    /// <summary>
    /// A text that comes with the program: <c>valid.txt</c> to evaluate with, <c>calib.txt</c> to calibrate with.
    /// </summary>
    public static string BundledText(string name) => Path.Combine(AppContext.BaseDirectory, "models", "stories", name);

    /// <summary>The directory of a model, or its GGUF file; a model on the hub is fetched where it is not here.
    /// </summary>
    /// <param name="model">
    /// A directory, a file, or a name on the hub; <c>tales</c> or null for the bundled model.
    /// </param>
    /// <param name="parts">What is wanted of a model on the hub.</param>
    /// <exception cref="UsageException">It is neither.</exception>
    /// <exception cref="HubException">The hub has no such model, or it cannot be fetched.</exception>
    public static string Find(string? model, ModelParts parts = ModelParts.All)
    {
        if (model is not null && Path.Exists(model))
        {
            return model;
        }

        if (model is null or BundledName)
        {
            return Directory.Exists(BundledPath)
                ? BundledPath
                : throw new UsageException(
                    $"the bundled model is missing from {BundledPath}: reinstall, or name a model directory");
        }

        UsageException.ThrowIf(
            model.Length == 0, "the model's name is empty: name a directory, or leave it out for the bundled model");

        if (HubName.TryParse(model, out _))
        {
            return ModelDownload.Run(model, (progress, stop) => ModelPath.Find(model, progress, stop, parts));
        }

        string? advice = ModelAdvice.About(model);
        throw new UsageException(
            $"no such model directory or file: {model}" + (advice is null ? string.Empty : "; " + advice));
    }
}
