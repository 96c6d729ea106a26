using Octavo.Formats;

namespace Octavo.Cli.Terminal;

/// <summary>Fetches a model from the hub before a command, with its progress on standard error.</summary>
internal static class ModelDownload
{
    /// <summary>Runs a download until it ends, or Ctrl-C stops it.</summary>
    /// <param name="name">What the model was called.</param>
    /// <param name="find">Finds or fetches it; the result is its path.</param>
    /// <exception cref="HubException">It cannot be had.</exception>
    public static string Run(string name, Func<IProgress<DownloadProgress>, CancellationToken, string> find)
    {
        using var interrupt = new Interrupt();
        var bar = new DownloadBar();
        try
        {
            return find(bar, interrupt.Token);
        }
        catch (OperationCanceledException)
        {
            bar.Clear();
            Stdio.Error.WriteLine($"stopped; octavo pull {name} goes on from there");
            throw;
        }
        finally
        {
            bar.End();
        }
    }
}
