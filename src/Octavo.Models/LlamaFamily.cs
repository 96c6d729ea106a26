using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Llama (arXiv 2302.13971): RMSNorm before each sublayer, rotary positions, grouped-query attention, a gated SiLU MLP.
/// Config fields and defaults are those of transformers' <c>LlamaConfig</c>.
/// </summary>
internal static class LlamaFamily
{
    public static ModelFamily Family { get; } = new(
        "LlamaForCausalLM",
        "llama",
        Map,
        TiesHead: false,
        [
            // Tables of the rotary positions, which config.json states.
            "rotary_emb.inv_freq", "rotary_emb.original_inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached",

            // Causal masks, and what they mask with: buffers that old versions of transformers saved.
            "self_attn.bias", "self_attn.masked_bias", "self_attn.causal_mask", "model.causal_mask",
        ]);

    private static DecoderSpec Map(ConfigReader config, Checkpoint checkpoint)
    {
        Require(config, "hidden_act", config.Text("hidden_act") ?? "silu", "silu");
        Require(config, "pretraining_tp", config.Integer("pretraining_tp") ?? 1, 1);
        Require(config, "partial_rotary_factor", config.Number("partial_rotary_factor") ?? 1.0, 1.0);
        if (config.Find("sliding_window") is { } window)
        {
            throw new UnsupportedModelException(
                config.File, "sliding_window", window.GetRawText(), "null (full attention)");
        }

        int hidden = config.Size("hidden_size", ConfigLimits.Width);
        int heads = config.Size("num_attention_heads", ConfigLimits.Heads);
        int kvHeads = config.Integer("num_key_value_heads", 1, ConfigLimits.Heads) ?? heads;
        if (heads % kvHeads != 0)
        {
            throw config.Invalid("num_key_value_heads", $"is {kvHeads}; it must divide num_attention_heads, {heads}");
        }

        return new DecoderSpec
        {
            Architecture = Family.Architecture,
            VocabSize = config.Size("vocab_size", ConfigLimits.Vocabulary),
            HiddenSize = hidden,
            EmbeddingSize = hidden,
            IntermediateSize = config.Size("intermediate_size", ConfigLimits.Width),
            NumLayers = config.Size("num_hidden_layers", ConfigLimits.Layers),
            NumHeads = heads,
            NumKvHeads = kvHeads,
            HeadDim = HeadDim(config, hidden, heads),
            MaxPositionEmbeddings = config.Size("max_position_embeddings", ConfigLimits.Positions),
            NormKind = NormKind.Rms,
            NormEpsilon = (float)(config.Positive("rms_norm_eps") ?? 1e-6),
            Activation = Activation.Silu,
            GatedMlp = true,
            Positions = RotaryConfig.Read(config),
            Tensors = Tensors(config, checkpoint),
        };
    }

    private static int HeadDim(ConfigReader config, int hidden, int heads)
    {
        int? stated = config.Integer("head_dim", 1, ConfigLimits.HeadDim);
        if (stated is null && hidden % heads != 0)
        {
            throw config.Invalid("num_attention_heads", $"is {heads}; without head_dim it must divide hidden_size, {hidden}");
        }

        int headDim = stated ?? hidden / heads;
        return headDim % 2 == 0
            ? headDim
            : throw config.Invalid("head_dim", $"is {headDim}; rotary positions pair elements, so it must be even");
    }

    private static void Require<T>(ConfigReader config, string field, T value, T supported)
        where T : IEquatable<T>
    {
        if (!value.Equals(supported))
        {
            throw new UnsupportedModelException(config.File, field, FormattableString.Invariant($"{value}"), FormattableString.Invariant($"{supported}"));
        }
    }

    private static DecoderTensors Tensors(ConfigReader config, Checkpoint checkpoint)
    {
        const string Embedding = "embed_tokens.weight";
        string prefix = checkpoint.Contains(Embedding) ? "" : "model.";
        bool attentionBias = config.Flag("attention_bias", false);
        bool mlpBias = config.Flag("mlp_bias", false);
        int layers = config.Size("num_hidden_layers", ConfigLimits.Layers);
        return new DecoderTensors
        {
            TokenEmbedding = prefix + Embedding,
            Layers = [.. Enumerable.Range(0, layers).Select(i => Layer($"{prefix}layers.{i}.", attentionBias, mlpBias))],
            FinalNorm = new NormTensors($"{prefix}norm.weight", null),
            OutputHead = TiedHead.IsTied(config, checkpoint, Family.TiesHead) ? null : new LinearTensors("lm_head.weight", null),
        };
    }

    private static LayerTensors Layer(string prefix, bool attentionBias, bool mlpBias)
    {
        return new LayerTensors
        {
            AttentionNorm = new NormTensors($"{prefix}input_layernorm.weight", null),
            Query = Linear("self_attn.q_proj", attentionBias),
            Key = Linear("self_attn.k_proj", attentionBias),
            Value = Linear("self_attn.v_proj", attentionBias),
            Output = Linear("self_attn.o_proj", attentionBias),
            MlpNorm = new NormTensors($"{prefix}post_attention_layernorm.weight", null),
            Gate = Linear("mlp.gate_proj", mlpBias),
            Up = Linear("mlp.up_proj", mlpBias),
            Down = Linear("mlp.down_proj", mlpBias),
        };

        LinearTensors Linear(string name, bool bias) =>
            new($"{prefix}{name}.weight", bias ? $"{prefix}{name}.bias" : null);
    }
}
