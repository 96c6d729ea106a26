using System.Diagnostics;
using System.Globalization;
using Octavo.Lab.Tuning;
using Octavo.Quantization;

namespace Octavo.Cli.Terminal;

/// <summary>
/// A line on standard error, where a person looks: how far a long piece of work is, and how long it will take yet.
/// </summary>
internal sealed class WorkBar(string name) : IProgress<BenchProgress>, IProgress<TuneProgress>, IDisposable
{
    private const int Cells = 24;
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(150);

    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly bool _shown = Stdio.ErrorIsTerminal;
    private readonly Lock _gate = new();
    private long _drawn;
    private int _width;

    public void Report(BenchProgress value) => Show(value.Done, value.Total, value.Doing);

    public void Report(TuneProgress value) => Show(value.Done, value.Total, value.Doing);

    public void Dispose()
    {
        if (_shown && _width > 0)
        {
            Stdio.Error.Write("\r" + new string(' ', _width) + "\r");
        }
    }

    private void Show(long done, long total, string doing)
    {
        lock (_gate)
        {
            if (!_shown || (_drawn != 0 && Stopwatch.GetElapsedTime(_drawn) < Refresh))
            {
                return;
            }

            _drawn = Stopwatch.GetTimestamp();
            string line = Line(done, total, doing);
            Stdio.Error.Write("\r" + line.PadRight(_width));
            _width = line.Length;
        }
    }

    private string Line(long done, long total, string doing)
    {
        double fraction = total == 0 ? 0 : Math.Clamp((double)done / total, 0, 1);
        int full = (int)(fraction * Cells);
        TimeSpan passed = Stopwatch.GetElapsedTime(_started);
        string left = fraction > 0.01 ? ", " + Time(passed * ((1 - fraction) / fraction)) + " left" : string.Empty;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{name} [{new string('#', full)}{new string('.', Cells - full)}] {fraction * 100,3:0}%{left}  {doing}");
    }

    private static string Time(TimeSpan time) =>
        time.TotalHours >= 1
            ? time.ToString(@"h\:mm\:ss", CultureInfo.InvariantCulture)
            : time.ToString(@"m\:ss", CultureInfo.InvariantCulture);
}
