using System.Globalization;
using Octavo.Cli.Terminal;
using Octavo.Formats;
using Octavo.Quantization.Calibration;
using Octavo.Quantization.Methods;
using Octavo.Quantization.Planning;
using Spectre.Console;

namespace Octavo.Cli.Quantize;

/// <summary>Chooses a scheme for each layer within a budget, and prints what was chosen and what it costs.</summary>
internal static class QuantizePlan
{
    /// <summary>Chooses, with a progress line, and prints the plan.</summary>
    public static QuantizationRecipe Choose(
        ModelSource source, QuantizationRecipe recipe, CalibrationSet calibration, double maxLoss, CancellationToken cancellation)
    {
        PrecisionPlan plan;
        using (var bar = new WorkBar("planning"))
        {
            plan = PrecisionPlanner.Choose(source, recipe, calibration, maxLoss, bar, cancellation);
        }

        Table table = new Table { Border = TableBorder.Rounded, Title = new TableTitle("plan") }.AddColumn("layer")
            .AddColumn("matrices").AddColumn("scheme");
        table.AddColumn(new TableColumn("cost").RightAligned())
            .AddColumn(new TableColumn("at the cheapest").RightAligned());
        foreach (PrecisionChoice choice in plan.Choices)
        {
            table.AddRow(
                new Spectre.Console.Text(choice.Layer.ToString(CultureInfo.InvariantCulture)),
                new Spectre.Console.Text(choice.Matrices),
                new Spectre.Console.Text(choice.Scheme?.ToString() ?? "as it is"),
                new Spectre.Console.Text(Figures.ExactPercent(choice.Loss)),
                new Spectre.Console.Text(Figures.ExactPercent(choice.LossAtCheapest)));
        }

        Tables.Console().Write(table);
        Stdio.Out.WriteLine(
            $"{Figures.Exact(plan.CheapestFraction * 100, 1)}% of the layers' weights in {plan.Recipe.Scheme}; "
            + $"loss predicted {Figures.ExactPercent(plan.PredictedLoss)}, measured on the calibration text {Figures.ExactPercent(plan.MeasuredLoss)}, allowed {Figures.ExactPercent(maxLoss)}");
        Stdio.Out.Flush();
        return plan.Recipe;
    }
}
