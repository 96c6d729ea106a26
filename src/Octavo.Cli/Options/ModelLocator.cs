using Octavo.Cli.Terminal;

namespace Octavo.Cli.Options;

/// <summary>Finds the model that a command line means.</summary>
internal static class ModelLocator
{
    /// <summary>The name of the model that comes with the program.</summary>
    public const string BundledName = "tales";

    /// <summary>Where it lies: beside the program.</summary>
    public static string BundledPath => Path.Combine(AppContext.BaseDirectory, "models", BundledName);

    /// <summary>
    /// A text that comes with the program: <c>valid.txt</c> to evaluate with, <c>calib.txt</c> to calibrate with.
    /// </summary>
    public static string BundledText(string name) => Path.Combine(AppContext.BaseDirectory, "models", "stories", name);

    /// <summary>The directory, or GGUF file, of a model.</summary>
    /// <param name="model">A directory or file; <c>tales</c> or null for the bundled model.</param>
    /// <exception cref="UsageException">There is no such directory or file.</exception>
    public static string Find(string? model)
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

        string? advice = Formats.ModelAdvice.About(model);
        throw new UsageException(
            $"no such model directory or file: {model}" + (advice is null ? string.Empty : "; " + advice));
    }
}
