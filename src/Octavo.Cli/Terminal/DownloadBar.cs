using System.Diagnostics;
using System.Globalization;
using Octavo.Formats;

namespace Octavo.Cli.Terminal;

/// <summary>
/// How far a download is, on standard error: a bar where a person looks, a plain line now and then elsewhere.
/// </summary>
internal sealed class DownloadBar : IProgress<DownloadProgress>
{
    private const int Cells = 24;
    private static readonly TimeSpan Redraw = TimeSpan.FromMilliseconds(150);
    private static readonly TimeSpan Repeat = TimeSpan.FromSeconds(10);

    private readonly bool _isTerminal = Stdio.ErrorIsTerminal;
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly Lock _gate = new();
    private DownloadProgress _last;
    private long _shown;
    private int _shownFiles;
    private int _width;

    /// <inheritdoc/>
    public void Report(DownloadProgress value)
    {
        lock (_gate)
        {
            (DownloadProgress last, _last) = (_last, value);
            if (value.Fetched == 0 && value.Trouble is null)
            {
                return;      // so far all of it is here
            }

            TimeSpan passed = Stopwatch.GetElapsedTime(_shown);
            if (_isTerminal && (_shown == 0 || passed >= Redraw))
            {
                Draw(Line(value, Stopwatch.GetElapsedTime(_started)));
            }
            else if (!_isTerminal && value.Files != _shownFiles)
            {
                _shownFiles = value.Files;
                WriteLine($"{Count(value.Files)}, {ByteSize.Format(value.Total)}");
            }
            else if (!_isTerminal && (value.Trouble != last.Trouble || passed >= Repeat))
            {
                WriteLine(Facts(value, Stopwatch.GetElapsedTime(_started)).TrimStart());
            }
        }
    }

    /// <summary>Wipes the bar.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            if (_width > 0)
            {
                Stdio.Error.Write("\r" + new string(' ', _width) + "\r");
                _width = 0;
            }
        }
    }

    /// <summary>Wipes the bar, and says what was fetched where something was.</summary>
    public void End()
    {
        Clear();
        lock (_gate)
        {
            if (_last.Fetched > 0 && _last.Done == _last.Total)
            {
                TimeSpan time = Stopwatch.GetElapsedTime(_started);
                Stdio.Error.WriteLine($"{_last.Name}: fetched {ByteSize.Format(_last.Fetched)} in {Time(time)}");
            }
        }
    }

    /// <summary>The bar.</summary>
    public static string Line(DownloadProgress value, TimeSpan passed)
    {
        double fraction = value.Total == 0 ? 0 : Math.Clamp((double)value.Done / value.Total, 0, 1);
        int full = (int)(fraction * Cells);
        return $"{value.Name} [{new string('#', full)}{new string('.', Cells - full)}] {Facts(value, passed)}";
    }

    private static string Facts(DownloadProgress value, TimeSpan passed)
    {
        double percent = value.Total == 0 ? 0 : Math.Floor(100.0 * value.Done / value.Total);
        string facts = string.Create(
            CultureInfo.InvariantCulture,
            $"{percent,3:0}%  {ByteSize.Format(value.Done)} of {ByteSize.Format(value.Total)}");
        if (value.Trouble is not null)
        {
            return $"{facts}, {value.Trouble}";
        }

        double rate = value.Fetched / Math.Max(passed.TotalSeconds, 1e-3);
        return rate < 1
            ? facts
            : $"{facts}, {ByteSize.Format((long)rate)}/s, "
                + $"{Time(TimeSpan.FromSeconds((value.Total - value.Done) / rate))} left";
    }

    private void WriteLine(string text)
    {
        _shown = Stopwatch.GetTimestamp();
        Stdio.Error.WriteLine($"{_last.Name}: {text}");
    }

    private static string Count(int files) => files == 1 ? "1 file" : $"{files} files";

    private void Draw(string line)
    {
        _shown = Stopwatch.GetTimestamp();
        Stdio.Error.Write("\r" + line.PadRight(_width));
        _width = line.Length;
    }

    private static string Time(TimeSpan time) => time.TotalHours >= 1
        ? ((int)time.TotalHours).ToString(CultureInfo.InvariantCulture) + time.ToString(
            @"\:mm\:ss", CultureInfo.InvariantCulture)
        : time.ToString(@"m\:ss", CultureInfo.InvariantCulture);
}
