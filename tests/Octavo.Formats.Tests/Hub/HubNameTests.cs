using Octavo.Formats.Hub;

namespace Octavo.Formats.Tests.Hub;

public sealed class HubNameTests
{
    [Theory]
    [InlineData("facebook/opt-125m", "facebook/opt-125m", null, null)]
    [InlineData("a/b", "a/b", null, null)]
    [InlineData("meta-llama/Llama-3.2-1B@main", "meta-llama/Llama-3.2-1B", "main", null)]
    [InlineData("o/n@refs/pr/1", "o/n", "refs/pr/1", null)]
    [InlineData(
        "o/n@0123456789abcdef0123456789abcdef01234567", "o/n", "0123456789abcdef0123456789abcdef01234567", null)]
    [InlineData("bartowski/X_1.0-GGUF:Q4_K_M", "bartowski/X_1.0-GGUF", null, "Q4_K_M")]
    [InlineData("o/n@v1.0:q8_0", "o/n", "v1.0", "q8_0")]
    public void TryParse_AName_GivesItsParts(string text, string repository, string? revision, string? quantization)
    {
        HubName.TryParse(text, out HubName? name).ShouldBeTrue();
        name.ShouldBe(new HubName(repository, revision, quantization));
        name.ToString().ShouldBe(text);
    }

    [Theory]
    [InlineData("")]
    [InlineData("gpt2")]
    [InlineData("/a/b")]
    [InlineData("./a/b")]
    [InlineData("../b")]
    [InlineData("a/../b")]
    [InlineData("a/b/c")]
    [InlineData("a/b/")]
    [InlineData("a\\b")]
    [InlineData("a--b/c")]
    [InlineData("a..b/c")]
    [InlineData("a/-b")]
    [InlineData("a/b.")]
    [InlineData("a/b.git")]
    [InlineData("a/b@")]
    [InlineData("a/b:")]
    [InlineData("a/b@../../x")]
    [InlineData("a/b@/x")]
    [InlineData("a/b@x//y")]
    [InlineData("a/b@x..y")]
    [InlineData("a/b\n")]
    [InlineData("ä/b")]
    [InlineData("https://huggingface.co/a/b")]
    public void TryParse_WhatIsNone_IsRefused(string text)
    {
        HubName.TryParse(text, out HubName? name).ShouldBeFalse();
        name.ShouldBeNull();
        Should.Throw<HubException>(() => HubName.Parse(text)).Message.ShouldContain("ORG/NAME");
    }

    [Fact]
    public void TryParse_APartBeyondTheHubsLength_IsRefused()
    {
        HubName.TryParse("a/" + new string('b', 96), out _).ShouldBeTrue();
        HubName.TryParse("a/" + new string('b', 97), out _).ShouldBeFalse();
    }
}
