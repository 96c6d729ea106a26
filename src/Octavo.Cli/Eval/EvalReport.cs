using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Quantization.Evaluation;
using Octavo.Text;
using Spectre.Console;

namespace Octavo.Cli.Eval;

/// <summary>What <c>octavo eval</c> found, for people and for programs.</summary>
internal sealed record EvalReport(
    EvaluationResult Result, ModelInfo Plan, string Text, int Window, int Stride, Tokenizer Tokenizer)
{
    private static readonly JsonWriterOptions Format = new()
    {
        Indented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Everything worth a line: name and value.</summary>
    public IEnumerable<(string Name, string Value)> Rows()
    {
        yield return ("model", Result.Model);
        yield return ("weights", Plan.StoredQuantization ?? SettingNames.Of(Plan.Weights));
        yield return ("cache of keys and values", SettingNames.Of(Plan.KvCache));
        yield return ("text",
            $"{Path.GetFileName(Text)}: {(Result.Documents == 1 ? "1 document" : $"{Result.Documents} documents")}, "
                + $"{Result.ScoredTokens} tokens scored, windows of {Window}, stride {Stride}");
        yield return (
            "perplexity",
            Figures.Exact(Result.Perplexity.Value, 4) + Interval(Result.Perplexity, v => Figures.Exact(v, 2)));
        if (Result.Comparison is not { } c)
        {
            yield break;
        }

        yield return ("reference", c.Reference);
        yield return (
            "  its perplexity",
            Figures.Exact(c.Perplexity.Value, 4) + Interval(c.Perplexity, v => Figures.Exact(v, 2)));
        yield return (
            "increase of perplexity",
            Figures.ExactPercent(c.Increase.Value) + Interval(c.Increase, Figures.ExactPercent));
        yield return (
            "mean KL divergence",
            $"{Figures.Exact(c.MeanKl.Value, 6)} nats" + Interval(c.MeanKl, v => Figures.Exact(v, 6)));
        yield return (
            "  median, 99th percentile",
            $"{Figures.Exact(c.KlQuantile(0.5), 6)}, {Figures.Exact(c.KlQuantile(0.99), 6)}");
        yield return ("same likeliest token", Figures.ExactPercent(c.Top1Agreement));
        yield return (
            "worst token",
            $"{Figures.Exact(c.Worst.Kl, 4)} nats, document {c.Worst.Document + 1}: {WorstInWords(c.Worst)}");
    }

    /// <summary>Prints tables.</summary>
    public void WriteTables(IAnsiConsole console)
    {
        Table table = new Table
        {
            ShowHeaders = false,
            Border = TableBorder.Rounded,
            Title = new TableTitle("evaluation"),
        }.AddColumns("name", "value");
        foreach ((string name, string value) in Rows())
        {
            table.AddRow(new Spectre.Console.Text(name), new Spectre.Console.Text(value));
        }

        console.Write(table);
        if (Result.Comparison?.LayerErrors is not { Count: > 0 } layers)
        {
            return;
        }

        Table errors = new Table
        {
            Border = TableBorder.Rounded,
            Title = new TableTitle("relative error behind each layer"),
        }.AddColumns("layer", "error");
        for (int i = 0; i < layers.Count; i++)
        {
            errors.AddRow(i.ToString(CultureInfo.InvariantCulture), Figures.ExactPercent(layers[i]));
        }

        console.Write(errors);
    }

    /// <summary>One JSON object.</summary>
    public string ToJson()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Format))
        {
            json.WriteStartObject();
            json.WriteString("model", Result.Model);
            json.WriteString("weights", Plan.StoredQuantization ?? SettingNames.Of(Plan.Weights));
            json.WriteString("kv_cache_dtype", SettingNames.Of(Plan.KvCache));
            json.WriteString("text", Text);
            json.WriteNumber("window", Window);
            json.WriteNumber("stride", Stride);
            json.WriteNumber("documents", Result.Documents);
            json.WriteNumber("scored_tokens", Result.ScoredTokens);
            Write(json, "perplexity", Result.Perplexity);
            if (Result.Comparison is { } c)
            {
                WriteComparison(json, c);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
    }

    // A single document has no interval: documents are the independent units.
    private static string Interval(Estimate e, Func<double, string> text) =>
        double.IsFinite(e.Low) && double.IsFinite(e.High)
            ? $"  (95%: {text(e.Low)} to {text(e.High)})"
            : "  (one document: no interval)";

    private static void WriteComparison(Utf8JsonWriter json, ComparisonResult c)
    {
        json.WriteStartObject("comparison");
        json.WriteString("reference", c.Reference);
        Write(json, "reference_perplexity", c.Perplexity);
        Write(json, "perplexity_increase", c.Increase);
        Write(json, "mean_kl", c.MeanKl);
        json.WriteNumber("median_kl", c.KlQuantile(0.5));
        json.WriteNumber("p99_kl", c.KlQuantile(0.99));
        json.WriteNumber("worst_kl", c.Worst.Kl);
        json.WriteNumber("worst_kl_document", c.Worst.Document);
        json.WriteNumber("top1_agreement", c.Top1Agreement);
        json.WriteStartArray("layer_errors");
        foreach (double error in c.LayerErrors)
        {
            json.WriteNumberValue(error);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    // JSON knows no infinity: the interval of a single document.
    private static void Write(Utf8JsonWriter json, string name, Estimate e)
    {
        json.WriteStartObject(name);
        json.WriteNumber("value", e.Value);
        if (double.IsFinite(e.Low) && double.IsFinite(e.High))
        {
            json.WriteNumber("low", e.Low);
            json.WriteNumber("high", e.High);
        }

        json.WriteEndObject();
    }

    private string WorstInWords(WorstToken worst)
    {
        string context = Tokenizer.Decode([.. worst.ContextIds.TakeLast(8)]).ReplaceLineEndings(" ");
        return $"\"…{context}\" then \"{Word(worst.TokenId)}\"; the reference expects \"{Word(worst.ReferenceTop)}\", "
            + $"the model \"{Word(worst.ModelTop)}\"";
    }

    private string Word(int id) => Tokenizer.Decode([id], skipSpecialTokens: false).ReplaceLineEndings("\\n");
}
