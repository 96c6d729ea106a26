using System.Text;
using Octavo.Engine.Output;

namespace Octavo.Engine.Tests;

public sealed class StopStringsTests
{
    [Theory]
    [InlineData("hello world", 0, "wor", 6)]
    [InlineData("hello world", 8, "wor", 6)]
    [InlineData("hello world", 11, "xyz", -1)]
    [InlineData("aaab", 3, "ab", 2)]
    public void TryFind_TextGrown_FindsAcrossTheBoundary(string text, int searched, string stop, int expected)
    {
        new StopStrings([stop]).TryFind(new StringBuilder(text), searched, out int index, out _)
            .ShouldBe(expected >= 0);
        index.ShouldBe(expected);
    }

    [Fact]
    public void TryFind_SeveralStops_TheFirstInTheTextWins()
    {
        new StopStrings(["world", "lo"]).TryFind(new StringBuilder("hello world"), 0, out int index, out string stop)
            .ShouldBeTrue();
        (index, stop).ShouldBe((3, "lo"));
    }

    [Theory]
    [InlineData("once upon", "on the", 2)]
    [InlineData("once upon", "xyz", 0)]
    [InlineData("once", "once upon", 4)]
    [InlineData("aab", "aabaab", 3)]
    [InlineData("", "ab", 0)]
    public void CountWithheld_EndMayBecomeAStop_WithholdsJustThat(string text, string stop, int expected) =>
        new StopStrings([stop]).CountWithheld(new StringBuilder(text)).ShouldBe(expected);

    // Whatever the pieces, what is let out never has to be taken back, and the whole ends where the stop begins.
    [Fact]
    public void Stream_RandomPieces_NeverEmitsPartOfAStop()
    {
        var random = new Random(2);
        for (int round = 0; round < 5000; round++)
        {
            string text = new([.. Enumerable.Range(0, 30).Select(_ => "abc"[random.Next(3)])]);
            string stop = new([.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => "abc"[random.Next(3)])]);
            var stops = new StopStrings([stop]);
            var built = new StringBuilder();
            string emitted = string.Empty;
            bool found = false;
            for (int i = 0; i < text.Length && !found;)
            {
                int length = Math.Min(random.Next(1, 5), text.Length - i);
                int searched = built.Length;
                built.Append(text.AsSpan(i, length));
                i += length;
                found = stops.TryFind(built, searched, out int index, out _);
                built.Length = found ? index : built.Length;
                int end = built.Length - (found ? 0 : stops.CountWithheld(built));
                end.ShouldBeGreaterThanOrEqualTo(emitted.Length);
                emitted = built.ToString(0, end);
            }

            int at = text.IndexOf(stop, StringComparison.Ordinal);
            found.ShouldBe(at >= 0);
            if (found)
            {
                emitted.ShouldBe(text[..at]);
            }
        }
    }
}
