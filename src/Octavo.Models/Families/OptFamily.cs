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
        "OPT", "OPTForCausalLM",
        "opt",
        Map,
        TiesHead: true,
        [
            // A mark of fairseq's, in which OPT was trained.
            "decoder.version",
            "self_attn.bias", "self_attn.masked_bias",
        ]);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
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
        const string Embedding = "decoder.embed_tokens.weight";
        string prefix = names.Contains(Embedding) ? "decoder." : "model.decoder.";
        bool finalNorm = normBefore && !config.Flag("_remove_final_layer_norm", false);
        bool bias = config.Flag("enable_bias", true);
        int intermediate = config.Size("ffn_dim", ConfigLimits.Width);
        return new DecoderSpec
        {
            Architecture = Family.Architecture,
            VocabSize = config.Size("vocab_size", ConfigLimits.Vocabulary),
            HiddenSize = hidden,
            EmbeddingSize = embedding,
            MaxPositionEmbeddings = config.Size("max_position_embeddings", ConfigLimits.Positions),
            TokenEmbedding = $"{prefix}embed_tokens.weight",
            LearnedPositions = new LearnedPositions($"{prefix}embed_positions.weight", PositionOffset),
            ProjectIn = embedding == hidden ? null : new LinearTensors($"{prefix}project_in.weight", null),
            Layers = [.. Enumerable.Range(0, config.Size("num_hidden_layers", ConfigLimits.Layers))
                .Select(i => Layer($"{prefix}layers.{i}."))],
            FinalNorm = finalNorm ? Norm($"{prefix}final_layer_norm") : null,
            ProjectOut = embedding == hidden ? null : new LinearTensors($"{prefix}project_out.weight", null),
            OutputHead = TiedHead.Read(config, names, Family.TiesHead),
        };

        LayerSpec Layer(string layer)
        {
            NormSpec attentionNorm = Norm($"{layer}self_attn_layer_norm"), mlpNorm = Norm($"{layer}final_layer_norm");
            return new LayerSpec(
            [
                new AttentionSpec
                {
                    Width = hidden,
                    NormBefore = normBefore ? attentionNorm : null,
                    NormAfter = normBefore ? null : attentionNorm,
                    NumHeads = heads,
                    NumKvHeads = heads,
                    HeadDim = hidden / heads,
                    Query = Linear($"{layer}self_attn.q_proj"),
                    Key = Linear($"{layer}self_attn.k_proj"),
                    Value = Linear($"{layer}self_attn.v_proj"),
                    Output = Linear($"{layer}self_attn.out_proj"),
                    CacheScales = $"{layer}self_attn",
                },
                new FeedForwardSpec
                {
                    Width = hidden,
                    NormBefore = normBefore ? mlpNorm : null,
                    NormAfter = normBefore ? null : mlpNorm,
                    IntermediateSize = intermediate,
                    Activation = Activation.Relu,
                    Up = Linear($"{layer}fc1"),
                    Down = Linear($"{layer}fc2"),
                },
            ]);
        }

        NormSpec Norm(string module) =>
            new(NormKind.Layer, new NormTensors($"{module}.weight", $"{module}.bias"), NormEpsilon, hidden);

        LinearTensors Linear(string module) => new($"{module}.weight", bias ? $"{module}.bias" : null);
    }
}
