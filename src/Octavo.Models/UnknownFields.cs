using System.Collections.Frozen;
using System.Text.Json;
using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Accounts for every field of a config: its family asks for it, or it is known to have no effect on what a model
/// computes when it runs. Any other is named in a note, for a newer version may give it one; a null or a false says
/// nothing.
/// </summary>
internal static class UnknownFields
{
    // What transformers keeps for every model: how it is made, trained, stored and called, and what its texts are.
    private static readonly FrozenSet<string> Idle = FrozenSet.Create(
        StringComparer.Ordinal,

        // The file and its model's name.
        "_name_or_path", "_attn_implementation", "_attn_implementation_autoset", "_commit_hash", "architectures",
        "auto_map", "attn_implementation", "base_model_tp_plan", "custom_pipelines", "dtype", "finetuning_task",
        "model_type", "name_or_path", "pipeline_tag", "task", "task_specific_params", "tokenizer_class", "torch_dtype",
        "transformers_version", "transformers.js_config", "unsloth_fixed", "unsloth_version", "problem_type",

        // Training.
        "activation_dropout", "attention_dropout", "attention_probs_dropout_prob", "attn_pdrop", "bias_dropout_fusion",
        "classifier_dropout", "dropout", "embd_pdrop", "embed_dropout", "embedding_dropout", "ffn_dropout",
        "gradient_checkpointing", "hidden_dropout", "hidden_dropout_prob", "init_device", "init_std",
        "initializer_cutoff_factor", "initializer_range", "layerdrop", "mlp_dropout", "resid_dropout", "resid_pdrop",
        "residual_dropout", "router_aux_loss_coef", "router_jitter_noise",
        "tf_legacy_loss", "use_bfloat16",

        // How transformers computes the same.
        "attention_softmax_in_fp32", "chunk_size_feed_forward", "fused_bias_fc", "fused_dropout_add_ln",
        "fused_mlp", "hidden_states_in_fp32", "is_decoder", "is_encoder_decoder", "is_llama_config",
        "masked_softmax_fusion", "num_logits_to_keep", "output_attentions", "output_hidden_states",
        "output_router_logits", "pruned_heads", "reorder_and_upcast_attn", "return_dict", "return_dict_in_generate",
        "runner_type", "scale_attention_softmax_in_fp32", "skip_bias_add", "skip_bias_add_qkv", "slow_but_exact",
        "tie_encoder_decoder", "torchscript", "use_cache", "use_flash_attn", "use_parallel_embedding",

        // What stands beside the decoder.
        "classifier_activation", "classifier_bias", "classifier_pooling", "cross_attention_hidden_size", "id2label",
        "label2id", "num_labels", "summary_activation", "summary_first_dropout", "summary_proj_to_labels",
        "summary_type", "summary_use_proj", "compression_config", "quantization_config", "kv_cache_scheme",
        "pretraining_tp",

        // Tokens and texts.
        "bos_token_id", "cls_token_id", "decoder_start_token_id", "eod_token_id", "eos_token_id", "forced_bos_token_id",
        "forced_eos_token_id", "image_start_token_id", "image_token_id", "im_end_id", "im_start_id", "mask_token_id",
        "pad_id", "pad_token_id", "prefix", "sep_token_id", "text_end_id", "text_start_id", "unk_token_id",
        "video_token_id", "vision_end_token_id", "vision_start_token_id",

        // Generation, which generation_config.json states.
        "bad_words_ids", "begin_suppress_tokens", "cache_implementation", "diversity_penalty", "do_sample",
        "early_stopping", "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "length_penalty",
        "max_length", "max_new_tokens", "min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams",
        "num_return_sequences", "output_scores", "remove_invalid_values", "repetition_penalty", "suppress_tokens",
        "temperature", "top_k", "top_p", "typical_p",

        // Lengths that something else was made for.
        "max_sequence_length", "model_max_length", "n_ctx", "seq_length", "tokenizer_model_max_length");

    /// <summary>What of a config nobody asked for, in words.</summary>
    /// <param name="config">The config.</param>
    /// <param name="asked">The fields that were asked for.</param>
    /// <param name="family">The model's family.</param>
    public static IEnumerable<string> Notes(ConfigReader config, IReadOnlySet<string> asked, ModelFamily family) =>
        from field in config.Json.EnumerateObject()
        where !asked.Contains(field.Name) && !Idle.Contains(field.Name) && !family.IdleFields.Contains(field.Name)
            && field.Value.ValueKind is not (JsonValueKind.Null or JsonValueKind.False)
        select $"config.json: {config.PathOf(field.Name)} is not known to {family.Architecture}, and has no effect";
}
