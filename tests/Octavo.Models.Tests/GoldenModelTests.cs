using Octavo.Formats;
using Octavo.Testing;

namespace Octavo.Models.Tests;

public sealed class GoldenModelTests
{
    [Theory]
    [InlineData("llama", 16, 256, nameof(TensorType.Float32))]
    [InlineData("llama-attention-bias", 16, 256, nameof(TensorType.Float32))]
    [InlineData("llama-bf16", 16, 256, nameof(TensorType.BFloat16))]
    [InlineData("llama-f16", 16, 256, nameof(TensorType.Float16))]
    [InlineData("llama-head-dim", 24, 256, nameof(TensorType.Float32))]
    [InlineData("llama-mlp-bias", 16, 256, nameof(TensorType.Float32))]
    [InlineData("llama-rope-linear", 16, 256, nameof(TensorType.Float32))]
    [InlineData("llama-rope-llama3", 16, 512, nameof(TensorType.Float32))]
    [InlineData("llama-rope-llama3-v5config", 16, 512, nameof(TensorType.Float32))]
    [InlineData("llama-sharded", 16, 256, nameof(TensorType.Float32))]
    [InlineData("llama-tied", 16, 256, nameof(TensorType.Float32))]
    public void Describe_GoldenLlama_GivesItsSpec(string name, int headDim, int positions, string stored)
    {
        TensorType type = Enum.Parse<TensorType>(stored);
        ModelDescription model = Describe(SharedData.Require($"golden/{name}"));
        DecoderSpec spec = model.Spec;
        (spec.Architecture, spec.VocabSize, spec.HiddenSize, spec.EmbeddingSize).ShouldBe(
            ("LlamaForCausalLM", 256, 64, 64));
        (spec.NumLayers, spec.MaxPositionEmbeddings).ShouldBe((3, positions));
        spec.LearnedPositions.ShouldBeNull();
        model.StoredType.ShouldBe(type);
        model.BosTokenId.ShouldBe(1);
        model.EosTokenIds.ShouldBe([2]);
        (spec.ProjectIn, spec.ProjectOut).ShouldBe((null, null));
        spec.OutputHead.ShouldBe(name == "llama-tied" ? null : new LinearTensors("lm_head.weight", null));
        (AttentionSpec attention, FeedForwardSpec mlp) = PartsOf(spec.Layers[2]);
        (attention.NumHeads, attention.NumKvHeads, attention.HeadDim).ShouldBe((4, 2, headDim));
        attention.Positions.ShouldBeOfType<RotaryPositions>();
        (mlp.IntermediateSize, mlp.Activation, mlp.IsGated).ShouldBe((160, Activation.Silu, true));
        const string Attention = "model.layers.2.self_attn.";
        const string Mlp = "model.layers.2.mlp.";
        attention.Query.ShouldBe(
            new($"{Attention}q_proj.weight", name == "llama-attention-bias" ? $"{Attention}q_proj.bias" : null));
        attention.Output.ShouldBe(
            new($"{Attention}o_proj.weight", name == "llama-attention-bias" ? $"{Attention}o_proj.bias" : null));
        mlp.Gate.ShouldBe(new($"{Mlp}gate_proj.weight", name == "llama-mlp-bias" ? $"{Mlp}gate_proj.bias" : null));
        mlp.Down.ShouldBe(new($"{Mlp}down_proj.weight", name == "llama-mlp-bias" ? $"{Mlp}down_proj.bias" : null));
        attention.NormBefore.ShouldBe(Norm("model.layers.2.input_layernorm.weight"));
        mlp.NormBefore.ShouldBe(Norm("model.layers.2.post_attention_layernorm.weight"));
        (attention.NormAfter, mlp.NormAfter).ShouldBe((null, null));
        spec.FinalNorm.ShouldBe(Norm("model.norm.weight"));

        static NormSpec Norm(string weight) => new(NormKind.Rms, new NormTensors(weight, null), 1e-5f, 64);
    }

    [Theory]
    [InlineData("llama", 10000.0)]
    [InlineData("llama-rope-linear", 10000.0)]
    [InlineData("llama-rope-llama3", 10000.0)]
    [InlineData("llama-rope-llama3-v5config", 500000.0)]
    public void Describe_GoldenRotary_GivesThetaAndScaling(string name, double theta)
    {
        RotaryPositions positions = Describe(SharedData.Require($"golden/{name}")).Spec.Attentions.First().Positions
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
        (spec.Architecture, spec.VocabSize, spec.HiddenSize, spec.EmbeddingSize).ShouldBe(
            ("OPTForCausalLM", 256, 64, 64));
        (spec.NumLayers, spec.MaxPositionEmbeddings).ShouldBe((layers, 128));
        spec.LearnedPositions.ShouldBe(new LearnedPositions($"{prefix}embed_positions.weight", 2));
        model.BosTokenId.ShouldBe(2);
        model.EosTokenIds.ShouldBe([2]);
        spec.TokenEmbedding.ShouldBe($"{prefix}embed_tokens.weight");
        spec.FinalNorm.ShouldBe(Norm($"{prefix}final_layer_norm"));
        (spec.OutputHead, spec.ProjectIn, spec.ProjectOut).ShouldBe((null, null, null));
        (AttentionSpec attention, FeedForwardSpec mlp) = PartsOf(spec.Layers[1]);
        (attention.NumHeads, attention.NumKvHeads, attention.HeadDim, attention.Positions).ShouldBe((4, 4, 16, null));
        (mlp.IntermediateSize, mlp.Activation, mlp.Gate).ShouldBe((192, Activation.Relu, null));
        mlp.Up.ShouldBe(new($"{prefix}layers.1.fc1.weight", $"{prefix}layers.1.fc1.bias"));
        (mlp.NormBefore, mlp.NormAfter).ShouldBe((Norm($"{prefix}layers.1.final_layer_norm"), null));

        static NormSpec Norm(string module) =>
            new(NormKind.Layer, new NormTensors($"{module}.weight", $"{module}.bias"), 1e-5f, 64);
    }

    [Fact]
    public void Describe_TalesModel_GivesItsSpec()
    {
        ModelDescription model = Describe(Repository.TalesModel);
        DecoderSpec spec = model.Spec;
        (spec.VocabSize, spec.HiddenSize, spec.NumLayers, spec.MaxPositionEmbeddings).ShouldBe((4096, 256, 5, 512));
        foreach (LayerSpec layer in spec.Layers)
        {
            (AttentionSpec attention, FeedForwardSpec mlp) = PartsOf(layer);
            (attention.NumHeads, attention.NumKvHeads, attention.HeadDim).ShouldBe((4, 2, 64));
            attention.Positions.ShouldBe(new RotaryPositions(10000.0, null));
            mlp.IntermediateSize.ShouldBe(768);
        }

        spec.OutputHead.ShouldBeNull();
        model.StoredType.ShouldBe(TensorType.BFloat16);
        model.BosTokenId.ShouldBe(0);
        model.EosTokenIds.ShouldBe([0]);
    }

    [Theory]
    [InlineData("mixtral", "architectures", "'MixtralForCausalLM'", "VaultGemmaForCausalLM")]
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
        ModelSource directory = ModelSource.Open(path);
        using Checkpoint checkpoint = directory.OpenCheckpoint();
        return ModelCatalog.Describe(directory, checkpoint);
    }

    private static (AttentionSpec Attention, FeedForwardSpec FeedForward) PartsOf(LayerSpec layer) =>
        ((AttentionSpec)layer.Parts[0], (FeedForwardSpec)layer.Parts[1]);
}
