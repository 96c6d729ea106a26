using System.Globalization;
using System.Text;

namespace Octavo.Server.Metrics;

/// <summary>The value, or the buckets, of one instrument under one set of labels. Recording is free of locks.</summary>
internal sealed class MetricSeries
{
    private readonly KeyValuePair<string, object?>[] _labels;
    private readonly string _labelText;      // a="1",b="2"
    private readonly long[] _buckets;        // not cumulative; the last is +Inf
    private double _value;                   // of a histogram: the sum
    private volatile bool _wasRecorded;

    public MetricSeries(KeyValuePair<string, object?>[] labels, int bounds)
    {
        _labels = labels;
        _buckets = new long[bounds + 1];
        _labelText = string.Join(',', labels.Select(l => $"{l.Key}=\"{Escape(l.Value)}\""));
    }

    public bool WasRecorded => _wasRecorded;

    public bool HasLabels(ReadOnlySpan<KeyValuePair<string, object?>> labels)
    {
        if (labels.Length != _labels.Length)
        {
            return false;
        }

        for (int i = 0; i < labels.Length; i++)
        {
            if (labels[i].Key != _labels[i].Key || !Equals(labels[i].Value, _labels[i].Value))
            {
                return false;
            }
        }

        return true;
    }

    public void Set(double value)
    {
        Volatile.Write(ref _value, value);
        _wasRecorded = true;
    }

    public void Add(double value)
    {
        double seen = Volatile.Read(ref _value);
        double before;
        while ((before = Interlocked.CompareExchange(ref _value, seen + value, seen)) != seen)
        {
            seen = before;
        }

        _wasRecorded = true;
    }

    public void Observe(double value, double[] bounds)
    {
        int bucket = 0;
        while (bucket < bounds.Length && value > bounds[bucket])
        {
            bucket++;
        }

        Interlocked.Increment(ref _buckets[bucket]);
        Add(value);
    }

    public void WriteValue(StringBuilder text, string name) => WriteLine(text, name, null, Volatile.Read(ref _value));

    public void WriteHistogram(StringBuilder text, string name, double[] bounds)
    {
        long total = 0;
        for (int i = 0; i < _buckets.Length; i++)
        {
            total += Interlocked.Read(ref _buckets[i]);
            string bound = PrometheusExporter.LabelNumber(i < bounds.Length ? bounds[i] : double.PositiveInfinity);
            WriteLine(text, name + "_bucket", $"le=\"{bound}\"", total);
        }

        WriteLine(text, name + "_sum", null, Volatile.Read(ref _value));
        WriteLine(text, name + "_count", null, total);
    }

    private static string Escape(object? value)
    {
        string text = value switch
        {
            bool b => b ? "true" : "false",
            double number => PrometheusExporter.LabelNumber(number),
            _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? string.Empty,
        };
        return text.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)
            .Replace("\n", @"\n", StringComparison.Ordinal);
    }

    private void WriteLine(StringBuilder text, string name, string? extraLabel, double value)
    {
        text.Append(name);
        if (_labelText.Length > 0 || extraLabel is not null)
        {
            text.Append('{').Append(_labelText);
            if (extraLabel is not null)
            {
                text.Append(_labelText.Length > 0 ? "," : string.Empty).Append(extraLabel);
            }

            text.Append('}');
        }

        text.Append(' ').Append(PrometheusExporter.Number(value)).Append('\n');
    }
}
