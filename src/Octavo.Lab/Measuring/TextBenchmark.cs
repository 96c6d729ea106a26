using System.Diagnostics;
using System.Text;
using Octavo.Text;

namespace Octavo.Lab.Measuring;

/// <summary>How fast a tokenizer is on one core. Bytes are those of the text in UTF-8.</summary>
/// <param name="VocabSize">One more than its highest id.</param>
/// <param name="TextBytes">Bytes of the text.</param>
/// <param name="Tokens">Tokens of the text.</param>
/// <param name="EncodeSeconds">Of the whole text, by a tokenizer that has seen no text before.</param>
/// <param name="EncodeAgainSeconds">Of the whole text once more.</param>
/// <param name="DecodeSeconds">Of all tokens at once.</param>
/// <param name="IncrementalSeconds">Of all tokens one by one, as an answer comes.</param>
/// <param name="LoadSeconds">Reading the tokenizer.</param>
/// <param name="TokenizerBytes">Managed memory that it takes.</param>
/// <param name="EncodeBytes">Managed memory that encoding the text once more allocates, its result included.</param>
internal sealed record TextMeasurement(
    int VocabSize,
    int TextBytes,
    int Tokens,
    double EncodeSeconds,
    double EncodeAgainSeconds,
    double DecodeSeconds,
    double IncrementalSeconds,
    double LoadSeconds,
    long TokenizerBytes,
    long EncodeBytes);

/// <summary>Times a tokenizer over a text. Every time is a median over rounds.</summary>
internal static class TextBenchmark
{
    // From a few runs on code is compiled as it stays.
    private const int WarmUps = 2;

    /// <summary>Measures.</summary>
    /// <param name="load">Loads the tokenizer, a new one each time.</param>
    /// <param name="text">The text.</param>
    /// <param name="rounds">Rounds, beside those that warm up.</param>
    /// <param name="progress">Is told what goes on.</param>
    public static TextMeasurement Run(Func<Tokenizer> load, string text, int rounds, Action<string> progress)
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        Tokenizer tokenizer = load();
        long size = GC.GetTotalMemory(forceFullCollection: true) - before;

        Series loads = new(), encodes = new(), again = new(), decodes = new(), increments = new();
        int[] ids = [];
        long allocated = 0;
        for (int round = 0; round < WarmUps + rounds; round++)
        {
            progress($"round {round + 1} of {WarmUps + rounds}");
            tokenizer = loads.Time(load);
            ids = encodes.Time(() => tokenizer.Encode(text));
            allocated = GC.GetAllocatedBytesForCurrentThread();
            again.Time(() => tokenizer.Encode(text));
            allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
            decodes.Time(() => tokenizer.Decode(ids));
            increments.Time(() => DecodeIncrementally(tokenizer, ids));
        }

        return new TextMeasurement(
            tokenizer.VocabSize,
            Encoding.UTF8.GetByteCount(text),
            ids.Length,
            encodes.Median,
            again.Median,
            decodes.Median,
            increments.Median,
            loads.Median,
            size,
            allocated);
    }

    private static int DecodeIncrementally(Tokenizer tokenizer, int[] ids)
    {
        IncrementalDetokenizer detokenizer = tokenizer.CreateDetokenizer([]);
        int length = 0;
        foreach (int id in ids)
        {
            length += detokenizer.Append(id).Length;
        }

        return length + detokenizer.Flush().Length;
    }

    private sealed class Series
    {
        private readonly List<double> _seconds = [];

        public double Median => _seconds.Skip(WarmUps).Order().ElementAt((_seconds.Count - WarmUps) / 2);

        public T Time<T>(Func<T> action)
        {
            long started = Stopwatch.GetTimestamp();
            T result = action();
            _seconds.Add(Stopwatch.GetElapsedTime(started).TotalSeconds);
            return result;
        }
    }
}
