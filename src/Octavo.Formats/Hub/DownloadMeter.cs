namespace Octavo.Formats.Hub;

/// <summary>Adds up what several downloads of a model have fetched, and tells it.</summary>
/// <param name="name">The model's name.</param>
/// <param name="progress">Hears it; reports come one at a time, from any thread.</param>
internal sealed class DownloadMeter(string name, IProgress<DownloadProgress>? progress)
{
    private readonly Lock _gate = new();
    private long _done;
    private long _fetched;
    private long _total;
    private int _files;
    private string? _trouble;

    /// <summary>Says that some more files are part of it.</summary>
    public void Expect(IReadOnlyCollection<HubFile> files)
    {
        lock (_gate)
        {
            _total += files.Sum(file => file.Size ?? 0);
            _files += files.Count;
            Report();
        }
    }

    /// <summary>Counts bytes that are here; fewer than none where some are fetched anew.</summary>
    public void Add(long bytes, bool fetched)
    {
        lock (_gate)
        {
            _done += bytes;
            _fetched += fetched ? bytes : 0;
            Report();
        }
    }

    /// <summary>Says what keeps it waiting; null where nothing does any more.</summary>
    public void Say(string? trouble)
    {
        lock (_gate)
        {
            if (_trouble != trouble)
            {
                _trouble = trouble;
                Report();
            }
        }
    }

    private void Report() =>
        progress?.Report(new DownloadProgress(name, _done, _total, _files, _fetched, _trouble));
}
