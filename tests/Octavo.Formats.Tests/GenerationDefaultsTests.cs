namespace Octavo.Formats.Tests;

public sealed class GenerationDefaultsTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("""{"temperature":"hot"}""", "temperature")]
    [InlineData("""{"temperature":1e999}""", "temperature")]
    [InlineData("""{"temperature":NaN}""", "temperature")]
    [InlineData("""{"temperature":-Infinity}""", "temperature")]
    [InlineData("""{"temperature":[0.5]}""", "temperature")]
    [InlineData("""{"top_p":true}""", "top_p")]
    [InlineData("""{"top_k":1.5}""", "top_k")]
    [InlineData("""{"top_k":{}}""", "top_k")]
    [InlineData("""{"max_new_tokens":4294967296}""", "max_new_tokens")]
    [InlineData("""{"eos_token_id":"2"}""", "eos_token_id")]
    [InlineData("""{"bos_token_id":"1"}""", "bos_token_id")]
    [InlineData("""{"pad_token_id":{}}""", "pad_token_id")]
    [InlineData("""{"do_sample":"no"}""", "do_sample")]
    [InlineData(
        """{"temperature":NaN}""",
        "temperature is not used: it must be a number that is 0 (greedy) or more, but is NaN")]
    [InlineData(
        """{"top_p":-Infinity}""",
        "top_p is not used: it must be a number above 0 and at most 1 (1 keeps all), but is -Infinity")]
    [InlineData(
        """{"temperature":-3}""", "temperature is not used: it must be a number that is 0 (greedy) or more, but is -3")]
    [InlineData("""{"temperature":1e300}""", "temperature is not used")]
    [InlineData(
        """{"top_p":2}""", "top_p is not used: it must be a number above 0 and at most 1 (1 keeps all), but is 2")]
    [InlineData("""{"top_p":0}""", "top_p is not used")]
    [InlineData("""{"min_p":-0.5}""", "min_p is not used: it must be a number from 0 (keeps all) to 1, but is -0.5")]
    [InlineData(
        """{"repetition_penalty":0}""",
        "repetition_penalty is not used: it must be a number above 0 (1 changes nothing), but is 0")]
    [InlineData("""{"top_k":-2}""", "top_k is not used: it must be an integer from -1 to")]
    [InlineData(
        """{"max_new_tokens":-5}""",
        "max_new_tokens is not used: it must be an integer from 1 to 2147483647, but is -5")]
    public void Open_ValueThatCannotBeUsed_IsANoteAndNoValue(string json, string words)
    {
        GenerationDefaults defaults = Read(json);
        defaults.Notes.ShouldHaveSingleItem().ShouldStartWith("generation_config.json: " + words);
        defaults.EosTokenIds.ShouldBeEmpty();
        IReadOnlyList<int> none = [];
        IReadOnlyList<string> silent = [];
        (defaults with { Notes = silent, EosTokenIds = none }).ShouldBe(
            new GenerationDefaults { Notes = silent, EosTokenIds = none });
    }

    [Fact]
    public void Open_FieldsThatServingDoesNotNeed_MayHoldAnything()
    {
        GenerationDefaults defaults = Read(
            """
            {"num_beams":"four","diversity_penalty":NaN,"max_length":Infinity,"suppress_tokens":{"a":[null]},
             "cache_config":7,"temperature":null,"transformers_version":4.5,"assistant_early_exit":[],"top_k":50.0,
             "temperature":0.5}
            """);
        defaults.Notes.ShouldBeEmpty();
        (defaults.TopK, defaults.Temperature).ShouldBe((50, 0.5f));
    }

    [Fact]
    public void Open_IdsAsListsOrAlone_AreRead()
    {
        GenerationDefaults defaults =
            Read("""{"eos_token_id":[5,null,6],"bos_token_id":[3],"pad_token_id":[-1,2],"do_sample":false}""");
        defaults.EosTokenIds.ShouldBe([5, 6]);
        (defaults.BosTokenId, defaults.PadTokenId, defaults.DoSample).ShouldBe((3, 2, false));
        defaults.Notes.ShouldBeEmpty();
    }

    [Fact]
    public void Open_ListWithSomethingThatIsNoId_KeepsTheIds()
    {
        GenerationDefaults defaults = Read("""{"eos_token_id":[1,"2",3,-1,-7]}""");
        defaults.EosTokenIds.ShouldBe([1, 3]);
        defaults.Notes.ShouldBe(
        [
            "generation_config.json: a member of eos_token_id is not used: it must be a token id, but is \"2\"",
            "generation_config.json: a member of eos_token_id is not used: it must be a token id, but is -7",
        ]);
    }

    private GenerationDefaults Read(string json)
    {
        _directory.Write("config.json", "{}");
        _directory.Write("generation_config.json", json);
        return ModelSource.Open(_directory.Root).Generation;
    }
}
