using Octavo.Engine.Workloads;
using Spectre.Console;

namespace Octavo.Cli.Tests;

public sealed class SimulationCheckTests
{
    /// <summary>The medians of all are 2.5 simulated and 1.5 measured, 1.67 times; three rounds have 2, 2 and 0.5, and one has nothing to divide by.</summary>
    [Fact]
    public void AddRows_RatioIsTheMedianOfTheRounds()
    {
        Table table = LoadArguments.FiguresTable("check");

        SimulationCheck.AddRows(table, [(Of(2), Of(1)), (Of(4), Of(2)), (Of(2), Of(4)), (Of(3), Of(0))]);

        string[] cells = [.. Last(table).Split('│').Select(c => c.Trim())];
        cells[1..].ShouldBe(["simulated over measured", "2.00", "2.00", string.Empty, "2.00 / 2.00", "2.00 / 2.00 / 2.00", string.Empty]);
    }

    [Fact]
    public void AddRows_NothingMeasured_HasNoRatio()
    {
        Table table = LoadArguments.FiguresTable("check");

        SimulationCheck.AddRows(table, [(Of(1), Of(0))]);

        Last(table).ShouldContain("– / – / –");
    }

    private static string Last(Table table)
    {
        using var text = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 200;
        console.Write(table);
        return text.ToString().Split('\n').Single(l => l.Contains("simulated over measured", StringComparison.Ordinal));
    }

    private static LoadFigures Of(double figure) => new()
    {
        Seconds = 1,
        Completed = 1,
        Failed = 0,
        TokensPerSecond = figure,
        Goodput = figure,
        GoodPart = 1,
        TimeToFirstToken = (figure, figure, figure),
        InterTokenLatency = (figure, figure, figure),
    };
}
