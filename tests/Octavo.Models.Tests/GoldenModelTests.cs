using Octavo.Formats;
using Octavo.Testing;

namespace Octavo.Models.Tests;

public sealed class GoldenModelTests
{
    [Theory]
    [InlineData("llama", 16, 256, TensorType.Float32)]
    [InlineData("llama-attention-bias", 16, 256, TensorType.Float32)]
    [InlineData("llama-bf16", 16, 256, TensorType.BFloat16)]
    [InlineData("llama-f16", 16, 256, TensorType.Float16)]
    [InlineData("llama-head-dim", 24, 256, TensorType.Float32)]
    [InlineData("llama-mlp-bias", 16, 256, TensorType.Float32)]
    [InlineData("llama-rope-linear", 16, 256, TensorType.Float32)]
    [InlineData("llama-rope-llama3", 16, 512, TensorType.Float32)]
    [InlineData("llama-rope-llama3-v5config", 16, 512, TensorType.Float32)]
    [InlineData("llama-sharded", 16, 256, TensorType.Float32)]
    [InlineData("llama-tied", 16, 256, TensorType.Float32)]
    public void Describe_GoldenLlama_GivesItsSpec(string name, int headDim, int positions, TensorType type)
    {
        ModelDescription model = Describe(SharedData.Require($"golden/{name}"));
        DecoderSpec spec = model.Spec;
        (spec.Architecture, spec.VocabSize, spec.HiddenSize, spec.EmbeddingSize).ShouldBe(("LlamaForCausalLM", 256, 64, 64));
        (spec.IntermediateSize, spec.NumLayers, spec.NumHeads, spec.NumKvHeads).ShouldBe((160, 3, 4, 2));
        (spec.HeadDim, spec.MaxPositionEmbeddings).ShouldBe((headDim, positions));
        (spec.NormKind, spec.NormPlacement, spec.NormEpsilon).ShouldBe((NormKind.Rms, NormPlacement.Pre, 1e-5f));
        (spec.Activation, spec.GatedMlp).ShouldBe((Activation.Silu, true));
        spec.Positions.ShouldBeOfType<RotaryPositions>();
        model.StoredType.ShouldBe(type);
        model.BosTokenId.ShouldBe(1);
        model.EosTokenIds.ShouldBe([2]);
        spec.Tensors.Layers.Count.ShouldBe(3);
        (spec.Tensors.PositionEmbedding, spec.Tensors.ProjectIn, spec.Tensors.ProjectOut).ShouldBe((null, null, null));
        spec.Tensors.OutputHead.ShouldBe(name == "llama-tied" ? null : new LinearTensors("lm_head.weight", null));
        LayerTensors last = spec.Tensors.Layers[2];
        const string Attention = "model.layers.2.self_attn.";
        const string Mlp = "model.layers.2.mlp.";
        last.Query.ShouldBe(new($"{Attention}q_proj.weight", name == "llama-attention-bias" ? $"{Attention}q_proj.bias" : null));
        last.Output.ShouldBe(new($"{Attention}o_proj.weight", name == "llama-attention-bias" ? $"{Attention}o_proj.bias" : null));
        last.Gate.ShouldBe(new($"{Mlp}gate_proj.weight", name == "llama-mlp-bias" ? $"{Mlp}gate_proj.bias" : null));
        last.Down.ShouldBe(new($"{Mlp}down_proj.weight", name == "llama-mlp-bias" ? $"{Mlp}down_proj.bias" : null));
        last.MlpNorm.ShouldBe(new("model.layers.2.post_attention_layernorm.weight", null));
        spec.Tensors.FinalNorm.ShouldBe(new("model.norm.weight", null));
    }

    [Theory]
    [InlineData("llama", 10000.0)]
    [InlineData("llama-rope-linear", 10000.0)]
    [InlineData("llama-rope-llama3", 10000.0)]
    [InlineData("llama-rope-llama3-v5config", 500000.0)]
    public void Describe_GoldenRotary_GivesThetaAndScaling(string name, double theta)
    {
        RotaryPositions positions = Describe(SharedData.Require($"golden/{name}")).Spec.Positions
            .ShouldBeOfType<RotaryPositions>();
        RopeScaling? scaling = name switch
        {
            "llama" => null,
            "llama-rope-linear" => new LinearRopeScaling(4),
            _ => new Llama3RopeScaling(8, 1, 4, 64),
        };
        positions.ShouldBe(new RotaryPositions(theta, scaling));
    }

    [Theory]
    [InlineData("opt", "model.decoder.", 3)]
    [InlineData("opt-decoder-prefix", "decoder.", 2)]
    public void Describe_GoldenOpt_GivesItsSpec(string name, string prefix, int layers)
    {
        ModelDescription model = Describe(SharedData.Require($"golden/{name}"));
        DecoderSpec spec = model.Spec;
        (spec.Architecture, spec.VocabSize, spec.HiddenSize, spec.EmbeddingSize).ShouldBe(("OPTForCausalLM", 256, 64, 64));
        (spec.IntermediateSize, spec.NumLayers, spec.NumHeads, spec.NumKvHeads).ShouldBe((192, layers, 4, 4));
        (spec.HeadDim, spec.MaxPositionEmbeddings).ShouldBe((16, 128));
        (spec.NormKind, spec.NormPlacement, spec.NormEpsilon).ShouldBe((NormKind.Layer, NormPlacement.Pre, 1e-5f));
        (spec.Activation, spec.GatedMlp).ShouldBe((Activation.Relu, false));
        spec.Positions.ShouldBe(new LearnedPositions(2));
        model.BosTokenId.ShouldBe(2);
        model.EosTokenIds.ShouldBe([2]);
        spec.Tensors.TokenEmbedding.ShouldBe($"{prefix}embed_tokens.weight");
        spec.Tensors.PositionEmbedding.ShouldBe($"{prefix}embed_positions.weight");
        spec.Tensors.FinalNorm.ShouldBe(new($"{prefix}final_layer_norm.weight", $"{prefix}final_layer_norm.bias"));
        (spec.Tensors.OutputHead, spec.Tensors.ProjectIn, spec.Tensors.ProjectOut).ShouldBe((null, null, null));
        LayerTensors layer = spec.Tensors.Layers[1];
        layer.Gate.ShouldBeNull();
        layer.Up.ShouldBe(new($"{prefix}layers.1.fc1.weight", $"{prefix}layers.1.fc1.bias"));
        layer.MlpNorm.ShouldBe(new($"{prefix}layers.1.final_layer_norm.weight", $"{prefix}layers.1.final_layer_norm.bias"));
    }

    [Fact]
    public void Describe_TalesModel_GivesItsSpec()
    {
        ModelDescription model = Describe(Repository.TalesModel);
        DecoderSpec spec = model.Spec;
        (spec.VocabSize, spec.HiddenSize, spec.IntermediateSize, spec.NumLayers).ShouldBe((4096, 256, 768, 5));
        (spec.NumHeads, spec.NumKvHeads, spec.HeadDim, spec.MaxPositionEmbeddings).ShouldBe((4, 2, 64, 512));
        spec.Positions.ShouldBe(new RotaryPositions(10000.0, null));
        spec.Tensors.OutputHead.ShouldBeNull();
        model.StoredType.ShouldBe(TensorType.BFloat16);
        model.BosTokenId.ShouldBe(0);
        model.EosTokenIds.ShouldBe([0]);
    }

    [Theory]
    [InlineData("llama-rope-dynamic", "rope_scaling.rope_type", "'dynamic'", "default, linear, llama3")]
    [InlineData("qwen2", "architectures", "'Qwen2ForCausalLM'", "LlamaForCausalLM, OPTForCausalLM")]
    [InlineData("gpt2", "architectures", "'GPT2LMHeadModel'", "LlamaForCausalLM, OPTForCausalLM")]
    public void Describe_UnsupportedGolden_NamesFieldValueAndAlternatives(
        string name, string field, string value, string supported)
    {
        string path = SharedData.Require($"golden/{name}");
        UnsupportedModelException error = Should.Throw<UnsupportedModelException>(() => Describe(path));
        error.File.ShouldBe(Path.Combine(path, "config.json"));
        error.Field.ShouldBe(field);
        error.Message.ShouldContain(field);
        error.Message.ShouldContain(value, Case.Sensitive);
        error.Message.ShouldEndWith(supported);
    }

    private static ModelDescription Describe(string path)
    {
        ModelDirectory directory = ModelDirectory.Open(path);
        using Checkpoint checkpoint = directory.OpenCheckpoint();
        return ModelCatalog.Describe(directory, checkpoint);
    }
}
