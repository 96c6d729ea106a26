using System.Text;

namespace Octavo.Formats.Tests;

public sealed class PythonJsonTests
{
    [Theory]
    [InlineData("{}", "{}")]
    [InlineData("\uFEFF{}", "{}")]
    [InlineData("[Infinity,-Infinity, NaN]", "[1e999,-1e999, \"NaN\"]")]
    [InlineData(
        """{"a":Infinity,"Infinity":"NaN","b":"\"Infinity","c":NaN}""",
        """{"a":1e999,"Infinity":"NaN","b":"\"Infinity","c":"NaN"}""")]
    [InlineData("""{"a":"\\","b":NaN}""", """{"a":"\\","b":"NaN"}""")]
    [InlineData("\"no end NaN", "\"no end NaN")]
    [InlineData("Inf NaM I N", "Inf NaM I N")]
    [InlineData("", "")]
    public void ToJson_Text_ChangesOnlyWhatIsNoJson(string text, string expected) =>
        Encoding.UTF8.GetString(PythonJson.ToJson(Encoding.UTF8.GetBytes(text)).Span).ShouldBe(expected);

    [Fact]
    public void Open_ConfigWithMarkAndInfinities_IsRead()
    {
        using TempDirectory directory = new();
        directory.Write("config.json", "\uFEFF{\"time_step_limit\": [0.0, Infinity], \"x\": NaN, \"hidden_size\": 4}");
        directory.Write("generation_config.json", "\uFEFF{\"penalty_alpha\": -Infinity, \"top_k\": 3}");
        ModelSource model = ModelSource.Open(directory.Root);
        model.Config.Size("hidden_size", 64).ShouldBe(4);
        model.Generation.TopK.ShouldBe(3);
    }

    [Fact]
    public void Open_IndexWithMarkAndInfinity_IsRead()
    {
        using TempDirectory directory = new();
        SafetensorsWriter.Write(
            directory["a.safetensors"], [new TensorSource("x", TensorType.UInt8, [1], new byte[1])]);
        directory.Write(
            "model.safetensors.index.json",
            "\uFEFF{\"metadata\":{\"total_size\":Infinity},\"weight_map\":{\"x\":\"a.safetensors\"}}");
        using Checkpoint checkpoint = Checkpoint.Open(directory.Root);
        checkpoint.Contains("x").ShouldBeTrue();
    }
}
