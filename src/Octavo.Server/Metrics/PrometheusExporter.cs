using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Octavo.Server.Metrics;

/// <summary>
/// Collects what meters measure and writes it in Prometheus' text format 0.0.4. Recording takes no lock: it finds its
/// series in an array and adds to it. Histograms have the buckets that their instruments advise.
/// </summary>
internal sealed class PrometheusExporter : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly Lock _lock = new();          // of _families, and of scrapes against each other
    private readonly List<MetricFamily> _families = [];
    private readonly Dictionary<Meter, KeyValuePair<string, object?>[]?> _meters;
    private readonly IReadOnlyDictionary<string, string> _names;

    /// <summary>Begins to listen.</summary>
    /// <param name="meters">
    /// Each meter with the labels that its counters and histograms show, at zero, before anything was measured; null
    /// shows nothing before.
    /// </param>
    /// <param name="names">Instrument → the metric's name, where that is not the instrument's own.</param>
    public PrometheusExporter(
        IEnumerable<(Meter Meter, KeyValuePair<string, object?>[]? Labels)> meters,
        IReadOnlyDictionary<string, string>? names = null)
    {
        _names = names ?? new Dictionary<string, string>();
        _meters = meters.ToDictionary(m => m.Meter, m => m.Labels);
        _listener.InstrumentPublished = Publish;
        _listener.SetMeasurementEventCallback<int>(
            static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<long>(
            static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<float>(
            static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<double>(
            static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.Start();
    }

    /// <summary>
    /// Shows a counter or histogram at zero under these labels too, in place of those of its meter alone.
    /// </summary>
    public void Expect(string instrument, IEnumerable<KeyValuePair<string, object?>[]> series)
    {
        lock (_lock)
        {
            _families.Find(f => f.InstrumentName == instrument)?.Expect(series);
        }
    }

    /// <summary>All families with their series.</summary>
    public string Write()
    {
        var text = new StringBuilder(32 * 1024);
        lock (_lock)
        {
            _listener.RecordObservableInstruments();
            foreach (MetricFamily family in _families)
            {
                family.Write(text);
            }
        }

        return text.ToString();
    }

    /// <summary>Writes a family of one value.</summary>
    public static void WriteSingle(StringBuilder text, string name, string type, string help, double value)
    {
        WriteHead(text, name, type, help);
        text.Append(name).Append(' ').Append(Number(value)).Append('\n');
    }

    internal static void WriteHead(StringBuilder text, string name, string type, string? help)
    {
        string escaped = (help ?? string.Empty).Replace("\\", @"\\", StringComparison.Ordinal)
            .Replace("\n", @"\n", StringComparison.Ordinal);
        text.Append("# HELP ").Append(name).Append(' ').Append(escaped).Append('\n')
            .Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n');
    }

    internal static string Number(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };

    /// <summary>
    /// A number in a label, as Prometheus' client for Python writes it: <c>1.0</c>, <c>0.005</c>, <c>1e+06</c>.
    /// </summary>
    internal static string LabelNumber(double value)
    {
        string text = Number(value);
        if (!double.IsFinite(value))
        {
            return text;
        }

        // From a million on, it goes over to exponents, as the client for Go does.
        int digits = text.IndexOf('.', StringComparison.Ordinal) is >= 0 and var dot ? dot : text.Length;
        return text.Contains('E', StringComparison.Ordinal) ? text.ToLowerInvariant()
            : value > 0
                && digits > 6 ? $"{text[0]}.{text[1..].Replace(".", string.Empty, StringComparison.Ordinal)}"
                    .TrimEnd('0').TrimEnd('.') + $"e+{digits - 1:D2}"
            : digits == text.Length ? text + ".0"
            : text;
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    private void Publish(Instrument instrument, MeterListener listener)
    {
        if (!_meters.TryGetValue(instrument.Meter, out KeyValuePair<string, object?>[]? labels))
        {
            return;
        }

        var family = new MetricFamily(instrument, _names.GetValueOrDefault(instrument.Name));
        if (labels is not null && !instrument.IsObservable)
        {
            family.Expect([labels]);
        }

        lock (_lock)
        {
            _families.Add(family);
        }

        listener.EnableMeasurementEvents(instrument, family);
    }
}
