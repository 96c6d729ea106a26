using Octavo.Cli.Simulate;
using Octavo.Lab.Workloads;
using Spectre.Console;

namespace Octavo.Cli.Tests;

public sealed class LoadTableTests
{
    /// <summary>The medians of all are 3 simulated and 2 measured, 1.5 times; the rounds have 3, 2 and 0.5.</summary>
    [Fact]
    public void AddRounds_SeveralRounds_RatioIsTheMedianOfTheirsWithTheLeastAndTheGreatest()
    {
        string[] rows = Rows((Of(3), Of(1)), (Of(4), Of(2)), (Of(2), Of(4)));

        rows.Length.ShouldBe(2 * 3 + 4);
        rows[^3].ShouldStartWith("measured|2|2.00|");
        rows[^2].ShouldBe("simulated over measured, median of rounds|2.00|2.00||2.00 / 2.00|2.00 / 2.00 / 2.00");
        rows[^1].ShouldBe(
            "the least and the greatest|0.50–3.00|0.50–3.00||0.50–3.00 / 0.50–3.00|0.50–3.00 / 0.50–3.00 / 0.50–3.00");
    }

    [Fact]
    public void AddRounds_OneRound_HasItsRatioAlone() =>
        Rows((Of(3), Of(2)))[^1].ShouldBe("simulated over measured|1.50|1.50||1.50 / 1.50|1.50 / 1.50 / 1.50");

    [Theory]
    [InlineData(1, 0, "∞")]
    [InlineData(0, 1, "0.00")]
    [InlineData(0, 0, "1.00")]
    public void AddRounds_NothingSimulatedOrMeasured_ShowsHowFarApart(
        double simulated, double measured, string ratio) =>
        Rows((Of(simulated), Of(measured)))[^1].ShouldBe(
            $"simulated over measured|{ratio}|{ratio}||{ratio} / {ratio}|{ratio} / {ratio} / {ratio}");

    private static string[] Rows(params (LoadFigures Simulated, LoadFigures Measured)[] rounds)
    {
        Table table = LoadTable.Make("check");
        LoadTable.AddRounds(table, rounds);
        using var text = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(
            new AnsiConsoleSettings { Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 250;
        console.Write(table);
        return [.. text.ToString().Split('\n').Where(l => l.StartsWith('│')).Skip(1)
            .Select(l => string.Join('|', l.Trim().Trim('│').Split('│').Select(c => c.Trim())))];
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
