namespace Octavo.Cli;

/// <summary>Finds the model that a command line means.</summary>
internal static class ModelLocator
{
    /// <summary>The name of the model that comes with the program.</summary>
    public const string BundledName = "tales";

    /// <summary>Where it lies: beside the program.</summary>
    public static string BundledPath => Path.Combine(AppContext.BaseDirectory, "models", BundledName);

    /// <summary>The directory of a model.</summary>
    /// <param name="model">A directory; <c>tales</c> or null for the bundled model.</param>
    /// <exception cref="UsageException">There is no such directory.</exception>
    public static string Find(string? model)
    {
        if (model is not null && Directory.Exists(model))
        {
            return model;
        }

        if (model is null or BundledName)
        {
            return Directory.Exists(BundledPath)
                ? BundledPath
                : throw new UsageException($"the bundled model is missing from {BundledPath}: reinstall, or name a model directory");
        }

        string advice = Formats.ModelAdvice.About(model) is { } words ? "; " + words : string.Empty;
        throw new UsageException((File.Exists(model)
            ? $"model {model} is a file; name the directory that holds config.json and the weights"
            : $"no such model directory: {model}") + advice);
    }
}
