using Octavo.Formats.Hub;

namespace Octavo.Formats;

/// <summary>
/// The one place that turns what somebody called a model into what is opened: a directory and a file are themselves, a
/// name on the hub is where its files lie, after they were fetched.
/// </summary>
internal static class ModelPath
{
    /// <summary>The local path of a model.</summary>
    /// <param name="model">
    /// A directory or a file, which always goes before a name; <c>ORG/NAME[@REVISION][:QUANT]</c>; else nothing, and it
    /// is returned as it is.
    /// </param>
    /// <param name="progress">Hears how far a download is, where there is one.</param>
    /// <param name="cancellationToken">Stops a download.</param>
    /// <param name="parts">What is wanted of a model on the hub.</param>
    /// <exception cref="HubException">The model is not on the hub, or cannot be fetched.</exception>
    public static string Find(
        string model,
        IProgress<DownloadProgress>? progress = null,
        CancellationToken cancellationToken = default,
        ModelParts parts = ModelParts.All)
    {
        return Path.Exists(model) || !HubName.TryParse(model, out HubName? name)
            ? model
            : WaitFor(() => new ModelHub(HubSettings.FromEnvironment())
                .FindAsync(name, parts, progress, cancellationToken));
    }

    /// <summary>The local path of a model on the hub as it is there now.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="progress">Hears how far the download is.</param>
    /// <param name="cancellationToken">Stops it; what has come is kept.</param>
    /// <exception cref="HubException">The model is not on the hub, or cannot be fetched.</exception>
    public static string Fetch(
        HubName name, IProgress<DownloadProgress>? progress, CancellationToken cancellationToken) =>
        WaitFor(() => new ModelHub(HubSettings.FromEnvironment())
            .FetchAsync(name, ModelParts.All, progress, cancellationToken));

    /// <summary>What a model at a path is called: its name on the hub where it lies in the hub's cache, else its
    /// directory's or file's.</summary>
    public static string NameOf(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        bool isGguf = full.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);
        return CachedRepository.NameOf(full) is { } name
            ? isGguf ? $"{name}:{GgufFiles.QuantizationOf(full)}" : name
            : isGguf ? Path.GetFileNameWithoutExtension(full)
            : Path.GetFileName(full);
    }

    private static string WaitFor(Func<Task<string>> find)
    {
#pragma warning disable VSTHRD002 // On threads of the pool, none of which waits for the caller.
        return Task.Run(find).GetAwaiter().GetResult();
#pragma warning restore VSTHRD002
    }
}
