namespace Octavo.Formats;

/// <summary>How far the download of a model is.</summary>
/// <param name="Name">The model's name.</param>
/// <param name="Done">Bytes that are here, those of earlier downloads included.</param>
/// <param name="Total">All bytes.</param>
/// <param name="Files">How many files they are.</param>
/// <param name="Fetched">Bytes that this download has fetched: its rate is that of these.</param>
/// <param name="Trouble">What keeps it waiting at the moment; null where nothing does.</param>
public readonly record struct DownloadProgress(
    string Name, long Done, long Total, int Files, long Fetched, string? Trouble = null);
