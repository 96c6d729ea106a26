namespace Octavo.Engine.Tests;

public sealed class InvalidRequestExceptionTests
{
    [Fact]
    public void Describe_Rule_HasTheFacesNames()
    {
        var e = new InvalidRequestException(
            "MinTokens", $"must be at most {new ParameterName("MaxTokens")} ({1.5})", 9);
        e.Message.ShouldBe("MinTokens must be at most MaxTokens (1.5); it is 9");
        (e.Parameter, e.Rule, e.Value).ShouldBe(("MinTokens", "must be at most MaxTokens (1.5)", 9));
        e.Describe(name => $"--{name}").ShouldBe("--MinTokens must be at most --MaxTokens (1.5); it is 9");
    }

    [Fact]
    public void Describe_SentenceAroundAnother_NamesBoth()
    {
        var inner = new InvalidRequestException("Logprobs", $"must be at most {20}", 30);
        var e = new InvalidRequestException(
            "BeamWidth", $"{new ParameterName("BeamWidth")} {15} is too much: {inner.Fault}");
        e.Message.ShouldBe("BeamWidth 15 is too much: Logprobs must be at most 20; it is 30");
        e.Describe(name => name.ToUpperInvariant()).ShouldBe(
            "BEAMWIDTH 15 is too much: LOGPROBS must be at most 20; it is 30");
    }
}
