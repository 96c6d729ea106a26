using System.Collections.Concurrent;
using Microsoft.VisualStudio.TestPlatform.ObjectModel;
using Microsoft.VisualStudio.TestPlatform.ObjectModel.Client;

namespace Octavo.Skips.TestLogger;

/// <summary>
/// Says at the end of a run why tests were skipped, each reason once: <c>dotnet test</c> by itself names them and keeps
/// the reasons to itself. The test platform finds it by its assembly's name.
/// </summary>
[FriendlyName("skips")]
[ExtensionUri("logger://octavo/skips")]
public sealed class SkipLogger : ITestLogger
{
    private readonly ConcurrentDictionary<string, int> _reasons = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public void Initialize(TestLoggerEvents events, string testRunDirectory)
    {
        ArgumentNullException.ThrowIfNull(events);
        events.TestResult += (_, e) => Note(e.Result);
        events.TestRunComplete += (_, _) => Say();
    }

    private void Note(TestResult result)
    {
        if (result.Outcome == TestOutcome.Skipped)
        {
            _reasons.AddOrUpdate(result.ErrorMessage ?? "no reason given", 1, (_, count) => count + 1);
        }
    }

    private void Say()
    {
        foreach ((string reason, int count) in _reasons.OrderByDescending(r => r.Value))
        {
            Console.Out.WriteLine($"  {count} skipped: {reason}");
        }
    }
}
