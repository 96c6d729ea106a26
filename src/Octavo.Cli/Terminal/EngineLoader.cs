using Octavo.Engine;
using Octavo.Formats;

namespace Octavo.Cli.Terminal;

/// <summary>Loads an engine, with a progress bar where a person waits for it.</summary>
internal static class EngineLoader
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(300);

    /// <summary>Loads a model.</summary>
    /// <param name="model">Its directory, found already.</param>
    /// <param name="options">How to load it.</param>
    /// <param name="showProgress">Whether a person may be shown how far it is.</param>
    /// <param name="cancellation">Stops loading.</param>
    public static async Task<AsyncEngine> LoadAsync(
        string model, EngineOptions options, bool showProgress, CancellationToken cancellation)
    {
        var meter = new LoadMeter();
        Task<AsyncEngine> loading = Task.Run(
            () => AsyncEngine.Load(model, options, meter, cancellationToken: cancellation), CancellationToken.None);
        if (showProgress && Stdio.ErrorIsTerminal
            && await Task.WhenAny(loading, Task.Delay(Patience, cancellation)).ConfigureAwait(false) != loading)
        {
            await LoadingBar.ShowAsync(ModelPath.NameOf(model), meter, loading).ConfigureAwait(false);
        }

        try
        {
            return await loading.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            await Stdio.Error.WriteLineAsync("stopped while loading").ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Says what of a model's files is not used, or not as it stands there.</summary>
    public static void WriteNotes(IEnumerable<string> notes)
    {
        foreach (string note in notes)
        {
            Stdio.Error.WriteLine("note: " + note);
        }
    }
}

/// <summary>The newest word on how far loading is; written by the loader, read by the bar.</summary>
internal sealed class LoadMeter : IProgress<LoadProgress>
{
    private double _fraction;

    /// <summary>From 0 to 1.</summary>
    public double Fraction => Volatile.Read(ref _fraction);

    public void Report(LoadProgress value) =>
        Volatile.Write(ref _fraction, value.Total == 0 ? 1 : (double)value.Done / value.Total);
}
