using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text;

namespace Octavo.Server.Metrics;

/// <summary>One instrument's series, one for each set of labels it was recorded with.</summary>
internal sealed class MetricFamily
{
    private readonly Lock _lock = new();              // of growing _series
    private readonly string _name;
    private readonly string _help;
    private readonly Kind _kind;
    private readonly double[] _bounds = [];
    // Replaced, never changed, so that recording reads it without a lock.
    private volatile MetricSeries[] _series = [];

    /// <summary>A family without series.</summary>
    /// <param name="instrument">The instrument.</param>
    /// <param name="name">The metric's name; null takes the instrument's, with its unit where that is seconds.</param>
    public MetricFamily(Instrument instrument, string? name = null)
    {
        InstrumentName = instrument.Name;
        _help = instrument.Description ?? instrument.Name;
        (_kind, _bounds) = instrument switch
        {
            Histogram<double> h => (Kind.Histogram, [.. h.Advice?.HistogramBucketBoundaries ?? []]),
            Histogram<float> h => (Kind.Histogram, Bounds(h.Advice)),
            Histogram<long> h => (Kind.Histogram, Bounds(h.Advice)),
            Histogram<int> h => (Kind.Histogram, Bounds(h.Advice)),
            ObservableCounter<long> or ObservableCounter<int> or ObservableCounter<double> =>
                (Kind.ObservedCounter, []),
            Counter<long> or Counter<int> or Counter<double> or Counter<float> => (Kind.Counter, []),
            UpDownCounter<long> or UpDownCounter<int> or UpDownCounter<double> => (Kind.UpDownCounter, []),
            _ => (Kind.Gauge, Array.Empty<double>()),
        };
        bool counts = _kind is Kind.Counter or Kind.ObservedCounter;
        name ??= instrument.Name + (instrument.Unit == "s" ? "_seconds" : string.Empty);
        _name = Sanitize(counts && !name.EndsWith("_total", StringComparison.Ordinal) ? name + "_total" : name);
    }

    private enum Kind
    {
        Gauge,
        Counter,
        ObservedCounter,
        UpDownCounter,
        Histogram,
    }

    public string InstrumentName { get; }

    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> labels)
    {
        MetricSeries series = Find(_series, labels) ?? Add(labels);
        switch (_kind)
        {
            case Kind.Histogram:
                series.Observe(value, _bounds);
                break;
            case Kind.Counter or Kind.UpDownCounter:
                series.Add(value);
                break;
            case Kind.Gauge or Kind.ObservedCounter:
                series.Set(value);
                break;
            default:
                throw new UnreachableException($"{_kind}");
        }
    }

    /// <summary>Shows these series at zero, and drops others that were never recorded.</summary>
    public void Expect(IEnumerable<KeyValuePair<string, object?>[]> labels)
    {
        lock (_lock)
        {
            _series = Array.FindAll(_series, s => s.WasRecorded);
            foreach (KeyValuePair<string, object?>[] expected in labels)
            {
                Add(expected);
            }
        }
    }

    public void Write(StringBuilder text)
    {
        PrometheusExporter.WriteHead(text, _name, TypeName, _help);
        foreach (MetricSeries series in _series)
        {
            if (_kind == Kind.Histogram)
            {
                series.WriteHistogram(text, _name, _bounds);
            }
            else
            {
                series.WriteValue(text, _name);
            }
        }
    }

    private string TypeName => _kind switch
    {
        Kind.Histogram => "histogram",
        Kind.Counter or Kind.ObservedCounter => "counter",
        Kind.Gauge or Kind.UpDownCounter => "gauge",
    };

    private static double[] Bounds<T>(InstrumentAdvice<T>? advice)
        where T : struct, IConvertible => [.. advice?.HistogramBucketBoundaries?.Select(b => b.ToDouble(null)) ?? []];

    private static MetricSeries? Find(MetricSeries[] series, ReadOnlySpan<KeyValuePair<string, object?>> labels)
    {
        foreach (MetricSeries candidate in series)
        {
            if (candidate.HasLabels(labels))
            {
                return candidate;
            }
        }

        return null;
    }

    private static string Sanitize(string name) =>
        string.Concat(name.Select(
            (c, i) => char.IsAsciiLetter(c) || c is '_' or ':' || (i > 0 && char.IsAsciiDigit(c)) ? c : '_'));

    private MetricSeries Add(ReadOnlySpan<KeyValuePair<string, object?>> labels)
    {
        lock (_lock)
        {
            if (Find(_series, labels) is { } found)
            {
                return found;
            }

            var added = new MetricSeries([.. labels], _bounds.Length);
            _series = [.. _series, added];
            return added;
        }
    }
}
