using Octavo.Quantization.Methods;
using Octavo.Quantization.Writing;
using Octavo.Testing;

namespace Octavo.Quantization.Tests;

public sealed class GroupSizesTests
{
    [Theory]
    [InlineData(128, false, 256, 768)]
    [InlineData(64, false, 576, 1536)]       // SmolLM2-135M, whose width 128 does not divide
    [InlineData(32, false, 96, 160)]
    [InlineData(64, false, 64)]
    [InlineData(80, true, 80, 240)]
    [InlineData(200, true, 200, 400)]
    [InlineData(24, true, 24, 120)]
    [InlineData(8, true, 8)]                 // all inputs, where they are so few
    public void Choose_AnyInputs_TakesTheLargestThatServesAll(int expected, bool expectedUnusual, params int[] inputs)
    {
        GroupSizes.Choose(inputs, out bool unusual).ShouldBe(expected);

        unusual.ShouldBe(expectedUnusual);
        inputs.ShouldAllBe(n => n % expected == 0);
    }

    [Fact]
    public void Choose_InputsWithoutACommonGroup_NamesTheSchemesThatNeedNone() =>
        Should.Throw<QuantizationException>(() => GroupSizes.Choose([127, 256], out _)).Message
            .ShouldContain("take int8-channel or fp8");

    [Theory]
    [InlineData(100)]
    [InlineData(8)]
    [InlineData(128)]
    [InlineData(1)]
    [InlineData(100_000)]
    public void Require_AGroupThatDoesNotServe_NamesThoseThatDo(int group)
    {
        string message = Should.Throw<QuantizationException>(() => GroupSizes.Require(group, [576, 1536])).Message;

        message.ShouldContain($"group size {group} does not work");
        message.ShouldContain("(576, 1536)");
        message.ShouldContain("those that work are 16, 24, 32, 48, 64, 96, 192");
    }

    [Theory]
    [InlineData("int4-weight", 64, "vLLM 0.32 (CPU) loads this form, with equal text")]
    [InlineData("int4-weight", 128, "not tried")]
    [InlineData("int4-weight", 80, "none that we know of: they have kernels for groups of 128, 64 and 32")]
    [InlineData("int4", 200, "none that we know of: they have kernels for groups of 128, 64 and 32")]
    [InlineData("int8", 128, "vLLM 0.32 (CPU) does not load this form")]
    [InlineData("int8", 64, "not tried")]
    [InlineData("int8-weight", 96, "vLLM 0.32 (CPU) does not load this form")]
    [InlineData("int8-channel", 0, "vLLM 0.32 (CPU) loads this form")]
    [InlineData("fp8", 0, "vLLM 0.32 (CPU) does not load this form")]
    public void Verdict_AnyForm_SaysWhatWasTried(string scheme, int group, string words) =>
        OtherEngines.Verdict(new QuantizationRecipe { Scheme = Schemes.Named(scheme) with { GroupSize = group } })
            .ShouldBe(words);
}
