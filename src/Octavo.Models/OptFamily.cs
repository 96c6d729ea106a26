using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// OPT (arXiv 2205.01068): LayerNorm, learned positions from row 2 on, a plain ReLU MLP, biases, a tied head.
/// Config fields and defaults are those of transformers' <c>OPTConfig</c>; opt-350m differs from its siblings by norms
/// after the sublayers and an embedding narrower than the layers.
/// </summary>
internal static class OptFamily
{
    // transformers builds every LayerNorm of OPT with PyTorch's default; the config does not state it.
    private const float NormEpsilon = 1e-5f;

    // A leftover of fairseq, whose first rows were for padding.
    private const int PositionOffset = 2;

    public static ModelFamily Family { get; } = new(
        "OPTForCausalLM",
        "opt",
        Map,
        TiesHead: true,
        [
            // A mark of fairseq's, in which OPT was trained.
            "decoder.version",
            "self_attn.bias", "self_attn.masked_bias",
        ]);

    private static DecoderSpec Map(ConfigReader config, Checkpoint checkpoint)
    {
        string activation = config.Text("activation_function") ?? "relu";
        if (activation != "relu")
        {
            throw new UnsupportedModelException(config.File, "activation_function", $"'{activation}'", "relu");
        }

        if (!config.Flag("layer_norm_elementwise_affine", true))
        {
            throw new UnsupportedModelException(config.File, "layer_norm_elementwise_affine", "false", "true");
        }

        int hidden = config.Size("hidden_size", ConfigLimits.Width);
        int heads = config.Size("num_attention_heads", ConfigLimits.Heads);
        if (hidden % heads != 0)
        {
            throw config.Invalid("num_attention_heads", $"is {heads}; it must divide hidden_size, {hidden}");
        }

        bool normBefore = config.Flag("do_layer_norm_before", true);
        int embedding = config.Integer("word_embed_proj_dim", 1, ConfigLimits.Width) ?? hidden;
        return new DecoderSpec
        {
            Architecture = Family.Architecture,
            VocabSize = config.Size("vocab_size", ConfigLimits.Vocabulary),
            HiddenSize = hidden,
            EmbeddingSize = embedding,
            IntermediateSize = config.Size("ffn_dim", ConfigLimits.Width),
            NumLayers = config.Size("num_hidden_layers", ConfigLimits.Layers),
            NumHeads = heads,
            NumKvHeads = heads,
            HeadDim = hidden / heads,
            MaxPositionEmbeddings = config.Size("max_position_embeddings", ConfigLimits.Positions),
            NormKind = NormKind.Layer,
            NormEpsilon = NormEpsilon,
            NormPlacement = normBefore ? NormPlacement.Pre : NormPlacement.Post,
            Activation = Activation.Relu,
            GatedMlp = false,
            Positions = new LearnedPositions(PositionOffset),
            Tensors = Tensors(
                config, checkpoint, normBefore && !config.Flag("_remove_final_layer_norm", false), embedding != hidden),
        };
    }

    private static DecoderTensors Tensors(ConfigReader config, Checkpoint checkpoint, bool finalNorm, bool project)
    {
        const string Embedding = "decoder.embed_tokens.weight";
        string prefix = checkpoint.Contains(Embedding) ? "decoder." : "model.decoder.";
        bool bias = config.Flag("enable_bias", true);
        int layers = config.Size("num_hidden_layers", ConfigLimits.Layers);
        return new DecoderTensors
        {
            TokenEmbedding = $"{prefix}embed_tokens.weight",
            PositionEmbedding = $"{prefix}embed_positions.weight",
            ProjectIn = project ? new LinearTensors($"{prefix}project_in.weight", null) : null,
            ProjectOut = project ? new LinearTensors($"{prefix}project_out.weight", null) : null,
            Layers = [.. Enumerable.Range(0, layers).Select(i => Layer($"{prefix}layers.{i}.", bias))],
            FinalNorm = finalNorm ? Norm($"{prefix}final_layer_norm") : null,
            OutputHead = TiedHead.IsTied(config, checkpoint, Family.TiesHead) ? null : new LinearTensors("lm_head.weight", null),
        };
    }

    private static LayerTensors Layer(string prefix, bool bias)
    {
        return new LayerTensors
        {
            AttentionNorm = Norm($"{prefix}self_attn_layer_norm"),
            Query = Linear("self_attn.q_proj"),
            Key = Linear("self_attn.k_proj"),
            Value = Linear("self_attn.v_proj"),
            Output = Linear("self_attn.out_proj"),
            MlpNorm = Norm($"{prefix}final_layer_norm"),
            Up = Linear("fc1"),
            Down = Linear("fc2"),
        };

        LinearTensors Linear(string name) => new($"{prefix}{name}.weight", bias ? $"{prefix}{name}.bias" : null);
    }

    private static NormTensors Norm(string name) => new($"{name}.weight", $"{name}.bias");
}
