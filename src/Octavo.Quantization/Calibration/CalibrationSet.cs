namespace Octavo.Quantization.Calibration;

/// <summary>Samples of one length that a model is calibrated on.</summary>
public sealed class CalibrationSet
{
    private CalibrationSet(IReadOnlyList<int[]> samples) => Samples = samples;

    /// <summary>The samples' tokens.</summary>
    public IReadOnlyList<int[]> Samples { get; }

    /// <summary>Tokens a sample.</summary>
    public int Length => Samples[0].Length;

    /// <summary>Joins documents and cuts samples out of them, evenly over the whole text.</summary>
    /// <param name="documents">Token ids by document.</param>
    /// <param name="count">The most samples.</param>
    /// <param name="length">Tokens a sample.</param>
    /// <exception cref="QuantizationException">The text is shorter than one sample.</exception>
    public static CalibrationSet Make(IReadOnlyList<int[]> documents, int count, int length)
    {
        ArgumentNullException.ThrowIfNull(documents);
        int[] all = [.. documents.SelectMany(d => d)];
        int there = all.Length / length;
        QuantizationException.ThrowIf(
            there == 0,
            $"the calibration text has {all.Length} tokens, fewer than one sample of "
                + $"{length}: take a longer text or shorter samples");

        int taken = Math.Min(count, there);
        return new CalibrationSet([.. Enumerable.Range(0, taken)
            .Select(i => (int)((long)i * there / taken) * length)
            .Select(begin => all[begin..(begin + length)])]);
    }

    /// <summary>Some of the samples.</summary>
    internal CalibrationSet Where(Func<int, bool> takes) => new([.. Samples.Where((_, i) => takes(i))]);
}
