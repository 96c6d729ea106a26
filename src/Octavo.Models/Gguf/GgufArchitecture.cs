using System.Text.Json.Nodes;

namespace Octavo.Models.Gguf;

/// <summary>An architecture of GGUF files: which family it is, and what sets its files apart.</summary>
/// <param name="Name">The name in <c>general.architecture</c>.</param>
/// <param name="Family">The family's name in a config's <c>architectures</c>.</param>
/// <param name="EpsilonField">The config's field of the norms' epsilon.</param>
internal sealed record GgufArchitecture(string Name, string Family, string EpsilonField = "rms_norm_eps")
{
    private static readonly GgufArchitecture[] All =
    [
        new("arcee", "ArceeForCausalLM") { PairsHeads = true },
        new("bloom", "BloomForCausalLM", "layer_norm_epsilon")
        {
            Rotates = false, Complete = config => config.Fields["seq_length"] = config.Require("context_length"),
        },
        new("cohere2", "Cohere2ForCausalLM", "layer_norm_eps") { Complete = CompleteCohere2 },
        new("command-r", "CohereForCausalLM", "layer_norm_eps") { Complete = CompleteCohere },
        new("ernie4_5", "Ernie4_5ForCausalLM"),
        new("exaone4", "Exaone4ForCausalLM") { Complete = CompleteExaone4 },
        new("falcon", "FalconForCausalLM", "layer_norm_epsilon") { Complete = CompleteFalcon },
        new("gemma", "GemmaForCausalLM"),
        new("gemma2", "Gemma2ForCausalLM") { Complete = CompleteGemma2 },
        new("gemma3", "Gemma3ForCausalLM") { Complete = CompleteGemma3 },
        new("gemma4", "Gemma4ForCausalLM") { Complete = CompleteGemma4 },
        new("glm4", "Glm4ForCausalLM"),
        new("gpt2", "GPT2LMHeadModel", "layer_norm_epsilon") { Rotates = false, Complete = CompleteInner },
        new("gptneox", "GPTNeoXForCausalLM", "layer_norm_eps")
        {
            Complete = config =>
                config.Fields["use_parallel_residual"] = config.Flag("use_parallel_residual") ?? true,
        },
        new("granite", "GraniteForCausalLM") { PairsHeads = true, Complete = CompleteGranite },
        new("hunyuan-dense", "HunYuanDenseV1ForCausalLM"),
        new("internlm2", "LlamaForCausalLM") { PairsHeads = true },
        new("jais2", "Jais2ForCausalLM", "layer_norm_eps"),
        new("llama", "LlamaForCausalLM") { PairsHeads = true, Complete = RefuseExperts },
        new("mistral3", "Ministral3ForCausalLM") { PairsHeads = true, Complete = CompleteMistral3 },
        new("mpt", "MptForCausalLM", "layer_norm_epsilon") { Rotates = false, Complete = CompleteMpt },
        new("nemotron", "NemotronForCausalLM", "norm_eps"),
        new("olmo", "OlmoForCausalLM", "layer_norm_eps") { PairsHeads = true, Complete = CompleteOlmo },
        new("olmo2", "Olmo2ForCausalLM") { Complete = CompleteOlmo2 },
        new("phi2", "PhiForCausalLM", "layer_norm_eps"),
        new("phi3", "Phi3ForCausalLM") { Complete = CompletePhi3 },
        new("qwen2", "Qwen2ForCausalLM"),
        new("qwen2vl", "Qwen2ForCausalLM"),
        new("qwen3", "Qwen3ForCausalLM"),
        new("qwen3vl", "Qwen3ForCausalLM"),
        new("seed_oss", "SeedOssForCausalLM"),
        new("smollm3", "SmolLM3ForCausalLM") { PairsHeads = true },
        new("stablelm", "StableLmForCausalLM", "layer_norm_eps") { Complete = CompleteStableLm },
        new("starcoder", "GPTBigCodeForCausalLM", "layer_norm_epsilon")
        {
            Rotates = false, Complete = CompleteStarcoder,
        },
        new("starcoder2", "Starcoder2ForCausalLM", "norm_epsilon") { Complete = c => c.WriteWindows(_ => true) },
        new("xverse", "LlamaForCausalLM") { PairsHeads = true },
    ];

    /// <summary>The names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(architecture => architecture.Name)];

    /// <summary>
    /// Whether, within each head, the rows of queries and keys that a rotation pairs stand side by side; in the
    /// checkpoints that transformers reads they are half a head apart.
    /// </summary>
    public bool PairsHeads { get; init; }

    /// <summary>Whether positions are rotary.</summary>
    public bool Rotates { get; init; } = true;

    /// <summary>Adds the fields that the family has beside the usual ones.</summary>
    public Action<GgufConfig>? Complete { get; init; }

    /// <summary>The architecture of a name, or null.</summary>
    public static GgufArchitecture? Find(string name) => Array.Find(All, architecture => architecture.Name == name);

    private static void RefuseExperts(GgufConfig config)
    {
        if (config.Size("expert_count") is > 0 and var experts)
        {
            throw config.Wrong("expert_count", $"is {experts}; mixtures of experts are not supported");
        }
    }

    private static void CompleteInner(GgufConfig config) => Move(config.Fields, "intermediate_size", "n_inner");

    private static void CompleteCohere(GgufConfig config)
    {
        config.Fields["logit_scale"] = config.Number("logit_scale");
        config.Fields["use_qk_norm"] = config.Has("blk.0.attn_q_norm.weight");
    }

    private static void CompleteCohere2(GgufConfig config)
    {
        config.Fields["logit_scale"] = config.Number("logit_scale");
        config.WriteWindows(i => (i + 1) % 4 != 0);
    }

    // Only the 32B, of 64 layers, slides, and only there layers that see everything do not rotate.
    private static void CompleteExaone4(GgufConfig config)
    {
        const int LayersOfLargest = 64;
        config.Fields["sliding_window"] = null;
        if (config.Layers == LayersOfLargest)
        {
            config.WriteWindows(i => (i + 1) % 4 != 0);
        }
    }

    private static void CompleteFalcon(GgufConfig config)
    {
        // Two norms are the newer form, whose heads are in groups.
        bool twoNorms = config.Has("blk.0.attn_norm_2.weight");
        int heads = config.Fields["num_key_value_heads"]!.GetValue<int>();
        Move(config.Fields, "num_key_value_heads", "num_kv_heads");
        Move(config.Fields, "intermediate_size", "ffn_hidden_size");
        config.Fields["new_decoder_architecture"] = twoNorms || heads > 1;
        config.Fields["num_ln_in_parallel_attn"] = twoNorms ? 2 : 1;
        config.Fields["multi_query"] = heads == 1;
    }

    private static void CompleteGemma2(GgufConfig config)
    {
        const int LayersOfLargest = 46;
        WriteScores(config, LayersOfLargest);
        config.WriteWindows(i => i % 2 == 0);
    }

    private static void CompleteGemma3(GgufConfig config)
    {
        const int LayersOfLargest = 62;
        WriteScores(config, LayersOfLargest);
        config.Fields["sliding_window_pattern"] = 1;
        config.WriteWindows(i => (i + 1) % 6 != 0);
        config.Fields["rope_local_base_freq"] = config.Number("rope.freq_base_swa") ?? 10_000;
    }

    // The largest of Gemma 2 and of Gemma 3 scale queries by the width of their heads as if they filled the stream.
    private static void WriteScores(GgufConfig config, int layersOfLargest)
    {
        config.Fields["query_pre_attn_scalar"] = config.Layers == layersOfLargest
            ? config.Require("embedding_length") / config.Require("attention.head_count")
            : config.HeadDim;
        config.Fields["attn_logit_softcapping"] = config.Number("attn_logit_softcapping");
        config.Fields["final_logit_softcapping"] = config.Number("final_logit_softcapping");
    }

    private static void CompleteGemma4(GgufConfig config)
    {
        int headDim = config.Size("attention.key_length_swa") ?? config.HeadDim;
        config.Fields["head_dim"] = headDim;
        config.Fields["global_head_dim"] = config.HeadDim;
        config.Fields["final_logit_softcapping"] = config.Number("final_logit_softcapping") ?? 30;
        config.Fields["num_kv_shared_layers"] = config.Size("attention.shared_kv_layers") ?? 0;
        config.Fields["hidden_size_per_layer_input"] = config.Size("embedding_length_per_layer_input") ?? 0;
        config.WriteWindows(i => (i + 1) % 6 != 0);

        // Pairs that do not turn are divided by something enormous.
        const float Still = 1e20f;
        int turning = config.Has("rope_freqs.weight")
            ? config.Numbers("rope_freqs.weight").Count(factor => factor < Still)
            : config.HeadDim / 2;
        JsonNode theta = config.Rope["rope_theta"]!.DeepClone();
        config.Rope.Clear();
        config.Rope["full_attention"] = new JsonObject
        {
            ["rope_type"] = "proportional",
            ["rope_theta"] = theta,
            ["partial_rotary_factor"] = 2.0 * turning / config.HeadDim,
        };
        config.Rope["sliding_attention"] = new JsonObject
        {
            ["rope_type"] = "default",
            ["rope_theta"] = config.Number("rope.freq_base_swa") ?? 10_000,
        };
    }

    private static void CompleteGranite(GgufConfig config)
    {
        config.Fields["attention_multiplier"] =
            config.Number("attention.scale") ?? 1 / Math.Sqrt(config.HeadDim);
        config.Fields["embedding_multiplier"] = config.Number("embedding_scale") ?? 1;
        config.Fields["residual_multiplier"] = config.Number("residual_scale") ?? 1;
        config.Fields["logits_scaling"] = config.Number("logit_scale") ?? 1;
    }

    private static void CompleteMistral3(GgufConfig config)
    {
        if (config.Number("attention.temperature_scale") is { } beta)
        {
            config.Rope["llama_4_scaling_beta"] = beta;
        }

        // mscale and mscale_all_dim are the same in these models, and take each other away.
        if (config.Number("rope.scaling.yarn_log_multiplier") is { } log and not 0)
        {
            config.Rope["mscale"] = log;
            config.Rope["mscale_all_dim"] = log;
        }
    }

    private static void CompleteMpt(GgufConfig config)
    {
        int hidden = config.Require("embedding_length"), inner = config.Require("feed_forward_length");
        Move(config.Fields, "hidden_size", "d_model");
        Move(config.Fields, "num_hidden_layers", "n_layers");
        Move(config.Fields, "num_attention_heads", "n_heads");
        Move(config.Fields, "max_position_embeddings", "max_seq_len");
        config.Fields["expansion_ratio"] = inner / hidden;
        config.Fields["attn_config"] = new JsonObject
        {
            ["alibi"] = config.Number("attention.max_alibi_bias") is not 0,
            ["alibi_bias_max"] = (int)(config.Number("attention.max_alibi_bias") ?? 8),
            ["clip_qkv"] = config.Number("attention.clamp_kqv"),
        };
    }

    private static void CompleteOlmo(GgufConfig config) =>
        config.Fields["clip_qkv"] = config.Number("attention.clamp_kqv");

    private static void CompleteOlmo2(GgufConfig config)
    {
        if (config.Size("attention.sliding_window") is > 0)
        {
            config.Fields["architectures"] = new JsonArray("Olmo3ForCausalLM");
            config.WriteWindows(i => (i + 1) % 4 != 0);
        }
    }

    private static void CompletePhi3(GgufConfig config)
    {
        // 0 says that there is no window.
        config.Fields["sliding_window"] = config.Size("attention.sliding_window") is > 0 and var window ? window : null;
    }

    private static void CompleteStableLm(GgufConfig config) =>
        config.Fields["use_parallel_residual"] = !config.Has("blk.0.ffn_norm.weight");

    private static void CompleteStarcoder(GgufConfig config)
    {
        CompleteInner(config);
        config.Fields["multi_query"] = config.Size("attention.head_count_kv") is 1;
    }

    private static void Move(JsonObject fields, string from, string to)
    {
        JsonNode? value = fields[from];
        fields.Remove(from);
        fields[to] = value;
    }
}
