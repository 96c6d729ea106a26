using System.Globalization;
using Octavo.Cli.Terminal;
using Octavo.Formats;
using Spectre.Console;

namespace Octavo.Cli.Inspect;

/// <summary>Prints an <see cref="InspectReport"/> for people.</summary>
internal static class InspectTables
{
    /// <summary>Writes the report to standard output.</summary>
    /// <param name="report">The report.</param>
    /// <param name="everyTensor">List each tensor instead of folding layers.</param>
    public static void Write(InspectReport report, bool everyTensor)
    {
        IAnsiConsole console = Tables.Console();
        console.Write(Facts(report.Plan.Name, [("directory", report.Plan.Path), .. report.SpecRows()]));
        console.Write(Tensors(report, everyTensor));
        console.Write(Facts("memory", Memory(report)));
        console.Write(Facts("processor", Processor(report)));
        Stdio.Out.Flush();
    }

    /// <summary>A table of names and values.</summary>
    public static Table Facts(string title, IEnumerable<(string Name, string Value)> rows)
    {
        Table table = new Table { ShowHeaders = false }.AddColumns("name", "value");
        table.Title = new TableTitle(Markup.Escape(title));
        foreach ((string name, string value) in rows)
        {
            table.AddRow(Cell(name), Cell(value));
        }

        return Framed(table);
    }

    private static Table Tensors(InspectReport report, bool every)
    {
        IReadOnlyList<TensorRow> rows = every ? report.Tensors : TensorRow.Fold(report.Tensors);
        Table table = new Table().AddColumn("tensor").AddColumn("type").AddColumn("shape");
        table.AddColumn(new TableColumn("size").RightAligned());
        table.Title = new TableTitle($"{report.Tensors.Count} tensors, {Millions(report.Parameters)} parameters, "
            + $"{ByteSize.Format(report.CheckpointBytes)}");
        foreach (TensorRow row in rows)
        {
            table.AddRow(
                Cell(row.Count > 1 ? $"{row.Name} ×{row.Count}" : row.Name),
                Cell(row.Type),
                Cell(string.Join(" × ", row.Shape)),
                Cell(ByteSize.Format(row.Bytes)));
        }

        return Framed(table);
    }

    private static IEnumerable<(string Name, string Value)> Memory(InspectReport report)
    {
        ModelInfo plan = report.Plan;
        if (plan.StoredQuantization is { } stored)
        {
            yield return (
                "weights as stored",
                $"{ByteSize.Format(plan.WeightBytes)}: {stored}; the rest in {SettingNames.Of(plan.Weights)}");
        }

        foreach (string note in plan.Notes)
        {
            yield return ("  note", note);
        }

        foreach ((WeightScheme scheme, long bytes) in report.WeightBytes.Where(_ => plan.StoredQuantization is null))
        {
            yield return (
                $"weights in {SettingNames.Of(scheme)}",
                ByteSize.Format(bytes) + (scheme == plan.Weights ? "  (chosen)" : string.Empty));
        }

        yield return (
            "cache of keys and values", $"{ByteSize.Format(plan.KvCacheBytes)} in {SettingNames.Of(plan.KvCache)}");
        yield return ("  a token", ByteSize.Format(plan.CacheBytesPerToken));
        yield return ("  a block", $"{ByteSize.Format(report.BytesPerBlock)} for {plan.BlockSize} tokens");
        foreach (CacheKind kind in report.CacheKinds().Where(_ => plan.CacheGroups.Count > 1))
        {
            yield return ($"  {kind.Title}", $"{ByteSize.Format(kind.Bytes)} a request at most");
        }

        yield return ("  blocks", $"{plan.NumBlocks}, {report.CacheTokens} tokens");
        yield return (
            "buffers of a step", $"{ByteSize.Format(report.ActivationBytes)} for {plan.MaxNumBatchedTokens} tokens");
        yield return ("in all", $"{ByteSize.Format(report.TotalBytes)} of {ByteSize.Format(plan.Memory.Free)} free "
            + $"({plan.Memory.Source}; {ByteSize.Format(plan.Memory.Total)} in all)"
            + (report.TotalBytes > plan.Memory.Free ? "  (too much for this machine)" : string.Empty));
        yield return ("longest sequence", $"{plan.MaxModelLen} tokens");
        yield return ("requests at once", string.Create(
            CultureInfo.InvariantCulture,
            $"{plan.MaxNumSeqs} at most; {(double)report.CacheTokens / plan.MaxModelLen:0.#} of the greatest length "
                + $"fit the cache"));
        yield return ("tokens a step", $"{plan.MaxNumBatchedTokens} at most");
    }

    private static IEnumerable<(string Name, string Value)> Processor(InspectReport report)
    {
        yield return ("name", ProcessorReport.Name);
        yield return ("kernels", report.Plan.Kernels);
        yield return ("threads", $"{report.Plan.Threads}");
        if (ProcessorReport.Features.Count > 0)
        {
            yield return ("has", string.Join(", ", ProcessorReport.Features.Where(f => f.Present).Select(f => f.Name)));
            yield return (
                "lacks", string.Join(", ", ProcessorReport.Features.Where(f => !f.Present).Select(f => f.Name)));
        }
    }

    private static Table Framed(Table table)
    {
        table.Title!.Style = new Style(decoration: Decoration.Bold);
        table.Border = TableBorder.Rounded;
        return table;
    }

    private static Spectre.Console.Text Cell(string text) => new(text);

    private static string Millions(long count) =>
        string.Create(CultureInfo.InvariantCulture, $"{count / 1e6:#,0.#} million");
}
