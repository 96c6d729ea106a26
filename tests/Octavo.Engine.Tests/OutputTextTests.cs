using Octavo.Engine.Output;
using Octavo.Engine.Sampling;
using Octavo.Testing;
using Octavo.Text;

namespace Octavo.Engine.Tests;

/// <summary>Special tokens are hidden from who reads, never from what decides.</summary>
public sealed class OutputTextTests
{
    private static readonly Tokenizer Tales = Tokenizer.Load(Repository.TalesModel);

    [Theory]
    [InlineData("One day<|im_end|> she went", "<|im_end|>", "One day", null)]
    [InlineData("One day<|im_end|> she went", "<|im_end|> she", "One day", null)]
    [InlineData("One day<|im_end|> she went", "day<|im_end|>", "One ", null)]
    [InlineData("One day<|im_end|> she went", "im_e", "One day", null)]
    [InlineData("One day<|im_end|> she went", "day she", null, "One day she went")]
    [InlineData("One<|im_end|> day<|pad|> she went", " she", "One day", null)]
    [InlineData("One<|im_end|> day<|pad|> she went", "went home", null, "One day she went")]
    [InlineData("\u00e9t\u00e9<|pad|> \u4e16\u754c<|pad|>!", "\u754c<|pad|>", "\u00e9t\u00e9 \u4e16", null)]
    public void TryStop_StopWithOrBehindSpecialTokens_IsFoundAndCutFromWhatIsShown(
        string said, string stop, string? before, string? whole)
    {
        OutputText text = Make(new SamplingParams { Stop = [stop] });
        bool stopped = false;
        int shown = 0;
        foreach (int token in Tales.Encode(said, addSpecialTokens: false))
        {
            text.Append(token);
            stopped = text.TryStop(keep: false, out string found);
            if (stopped)
            {
                found.ShouldBe(stop);
                break;
            }

            // What has been shown is never taken back.
            int safe = text.Length - text.CountWithheld();
            safe.ShouldBeGreaterThanOrEqualTo(shown);
            shown = safe;
        }

        stopped.ShouldBe(before is not null);
        text.Substring(0, text.Length).ShouldBe(before ?? whole);
        shown.ShouldBeLessThanOrEqualTo(text.Length);
    }

    [Fact]
    public void TryStop_StopThatIsKept_IsShownWholeThoughItsTokenIsHidden()
    {
        OutputText text = Make(new SamplingParams { Stop = ["<|im_end|>"], IncludeStopStrInOutput = true });
        foreach (int token in Tales.Encode("One day<|im_end|>", addSpecialTokens: false))
        {
            text.Append(token);
        }

        text.TryStop(keep: true, out _).ShouldBeTrue();
        text.Substring(0, text.Length).ShouldBe("One day<|im_end|>");
    }

    [Fact]
    public void Append_CharacterAroundAHiddenToken_IsShownWhole()
    {
        byte[] bytes = [0xE4, 0xB8, 0x96];
        int[] tokens = [.. bytes.Select(
            b => Enumerable.Range(0, Tales.VocabSize).First(id => Tales.TokenBytes(id) is [var only] && only == b))];
        OutputText text = Make(new SamplingParams { Stop = ["never"] });
        foreach (int token in (int[])[tokens[0], tokens[1], 2, tokens[2]])
        {
            text.Append(token);
            text.TryStop(keep: false, out _).ShouldBeFalse();
        }

        text.Substring(0, text.Length).ShouldBe("\u4e16");
    }

    [Fact]
    public void BadWords_SpelledWithASpaceInMoreOrFewerTokens_AreForbiddenBothWays()
    {
        string[] words = ["fox", "Once", "day", "hedgehog", "bridge", "Elsa", "x"];
        int ofOtherLength = 0;
        foreach (string word in words)
        {
            int[] bare = Tales.Encode(word, addSpecialTokens: false), spaced = Tales
                .Encode(" " + word, addSpecialTokens: false);
            ofOtherLength += bare.Length != spaced.Length ? 1 : 0;

            IReadOnlyList<int[]> forbidden = new SamplingRules(
                new SamplingParams { BadWords = [word] }, [], [], Tales).BadWords;

            forbidden.ShouldContain(f => f.SequenceEqual(bare), word);
            forbidden.ShouldContain(f => f.SequenceEqual(spaced), word);
        }

        ofOtherLength.ShouldBeGreaterThan(0);
    }

    private static OutputText Make(SamplingParams parameters) => new(Tales, [], parameters);
}
