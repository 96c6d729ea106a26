using Spectre.Console;

namespace Octavo.Cli.Terminal;

/// <summary>
/// The progress bar of loading. In a class of its own, so that Spectre.Console is loaded only when it shows.
/// </summary>
internal static class LoadingBar
{
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(100);

    /// <summary>Shows the bar on standard error until loading has ended, well or badly.</summary>
    public static Task ShowAsync(string name, LoadMeter meter, Task loading)
    {
        IAnsiConsole console = AnsiConsole.Create(
            new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress()
            .AutoClear(true)
            .HideCompleted(true)
            .Columns(
                new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(async context =>
            {
                ProgressTask bar = context.AddTask(Markup.Escape($"loading {name}"), maxValue: 1);
                while (!loading.IsCompleted)
                {
                    bar.Value = meter.Fraction;
                    await Task.Delay(Refresh).ConfigureAwait(false);
                }
            });
    }
}
