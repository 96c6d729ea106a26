using Octavo.Formats;

namespace Octavo.Models.Tests;

public sealed class UnusedTensorsTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("model.layers.0.self_attn.q_norm.weight")]
    [InlineData("model.layers.1.self_attn.k_norm.weight")]
    [InlineData("model.layers.0.post_feedforward_layernorm.weight")]
    [InlineData("model.layers.0.mlp.gate.weight")]
    [InlineData("model.layers.0.mlp.down_proj.weight_scale_inv")]
    [InlineData("model.layers.0.self_attn.q_proj.lora_A.weight")]
    [InlineData("model.embed_positions.weight")]
    [InlineData("lm_head.lora_B.weight")]
    public void Describe_TensorThatWouldChangeTheResult_IsRefusedByFileAndName(string name)
    {
        TinyModel model = TinyModel.Llama();
        model.Shapes[name] = [8];
        CheckpointException error = Should.Throw<CheckpointException>(() => model.Describe(_directory));
        error.Tensor.ShouldBe(name);
        error.File.ShouldBe(_directory["model.safetensors"]);
        error.Message.ShouldContain("no part of LlamaForCausalLM");
    }

    [Fact]
    public void Describe_MoreLayersThanTheConfigSays_IsRefusedByField()
    {
        CheckpointException error = Should.Throw<CheckpointException>(
            () => TinyModel.Llama().With("num_hidden_layers", "1").Describe(_directory));
        error.Tensor.ShouldNotBeNull().ShouldStartWith("model.layers.1.");
        error.Message.ShouldContain("num_hidden_layers is 1");
    }

    [Fact]
    public void Describe_FinalNormThatTheConfigTakesAway_IsRefused()
    {
        TinyModel model = TinyModel.Opt350M();
        model.Shapes["model.decoder.final_layer_norm.weight"] = [8];
        Should.Throw<CheckpointException>(() => model.Describe(_directory)).Tensor
            .ShouldBe("model.decoder.final_layer_norm.weight");
    }

    [Theory]
    [InlineData("model.layers.0.self_attn.rotary_emb.cos_cached")]
    [InlineData("model.rotary_emb.inv_freq")]
    [InlineData("model.layers.1.self_attn.masked_bias")]
    [InlineData("model.layers.1.self_attn.k_scale")]
    public void Describe_TensorKnownToBeOfNoUse_IsNotMentioned(string name)
    {
        TinyModel model = TinyModel.Llama();
        model.Shapes[name] = [1];
        model.Describe(_directory).Notes.ShouldBeEmpty();
    }

    [Fact]
    public void Describe_TensorsOfSomethingElse_AreNamedInANote()
    {
        TinyModel model = TinyModel.Llama();
        model.Shapes["v_head.summary.weight"] = [8];
        model.Describe(_directory).Notes
            .ShouldBe(["model.safetensors: 1 tensor of it is not used: v_head.summary.weight"]);
        for (int i = 0; i < 5; i++)
        {
            model.Shapes[$"vision_tower.{i}"] = [1];
        }

        model.Describe(_directory).Notes.ShouldBe(
            ["model.safetensors: 6 tensors of it are not used: v_head.summary.weight, vision_tower.0, "
                + "vision_tower.1, vision_tower.2 and 2 more"]);
    }

    [Fact]
    public void Describe_WithoutPrefix_TellsPartsFromStrangersByName()
    {
        TinyModel model = TinyModel.Llama("");
        model.Shapes["score.weight"] = [2, 8];
        model.Describe(_directory).Notes.Count.ShouldBe(1);
        model.Shapes["layers.0.self_attn.q_norm.weight"] = [4];
        Should.Throw<CheckpointException>(() => model.Describe(_directory)).Tensor
            .ShouldBe("layers.0.self_attn.q_norm.weight");
    }
}
