namespace Octavo.Engine.Batching;

/// <summary>A quantile of the last ratios of actual to predicted time.</summary>
internal sealed class ErrorMargin(double quantile)
{
    private const int Window = 256;
    private const int Fewest = 20;
    private const int Refresh = 8;
    private const double Unknown = 1.15;     // before there is anything to go by
    private const double Least = 0.9;
    private const double Most = 3;

    private readonly double[] _ratios = new double[Window];
    private readonly double[] _sorted = new double[Window];
    private long _count;

    /// <summary>The quantile, within reason.</summary>
    public double Value { get; private set; } = Unknown;

    public void Add(double ratio)
    {
        _ratios[_count++ % Window] = ratio;
        if (_count < Fewest || _count % Refresh != 0)
        {
            return;
        }

        int n = (int)Math.Min(_count, Window);
        _ratios.AsSpan(0, n).CopyTo(_sorted);
        Array.Sort(_sorted, 0, n);
        Value = Math.Clamp(_sorted[Math.Min(n - 1, (int)Math.Ceiling(quantile * n) - 1)], Least, Most);
    }
}
