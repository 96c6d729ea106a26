using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Formats;
using Octavo.Lab;
using Octavo.Models;

namespace Octavo.Cli.Inspect;

/// <summary>Prints an <see cref="InspectReport"/> for programs.</summary>
internal static class InspectJson
{
    /// <summary>Writes one object and a newline to standard output.</summary>
    public static void Write(InspectReport report) => Write(json =>
    {
        WriteModel(json, report);
        WriteMemory(json, report);
        WriteProcessor(json, report.Plan);
        WriteTensors(json, report.Tensors);
    });

    /// <summary>Writes one object and a newline to standard output.</summary>
    public static void Write(Action<Utf8JsonWriter> members)
    {
        Stdio.Out.WriteLine(JsonText.Of(members));
        Stdio.Out.Flush();
    }

    private static void WriteModel(Utf8JsonWriter json, InspectReport report)
    {
        json.WriteString("model", report.Plan.Name);
        json.WriteString("path", report.Plan.Path);
        json.WriteNumber("parameters", report.Parameters);
        WriteSpec(json, report.Plan.Spec, report.Plan.EosTokenIds);
    }

    /// <summary>Writes a decoder.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="spec">The decoder.</param>
    /// <param name="eosTokenIds">The tokens that end a text, where they are known.</param>
    public static void WriteSpec(Utf8JsonWriter json, DecoderSpec spec, IReadOnlyList<int>? eosTokenIds = null)
    {
        AttentionSpec? attention = spec.Attentions.FirstOrDefault();
        FeedForwardSpec? mlp = spec.FeedForwards.FirstOrDefault();
        json.WriteStartObject("spec");
        json.WriteString("architecture", spec.Architecture);
        json.WriteNumber("vocab_size", spec.VocabSize);
        json.WriteNumber("hidden_size", spec.HiddenSize);
        json.WriteNumber("embedding_size", spec.EmbeddingSize);
        json.WriteNumber("num_layers", spec.NumLayers);
        json.WriteNumber("max_position_embeddings", spec.MaxPositionEmbeddings);
        json.WriteString(
            "positions",
            attention?.Positions switch
            {
                RotaryPositions => "rotary",
                AlibiPositions => "alibi",
                _ => spec.LearnedPositions is null ? "none" : "learned",
            });
        WriteByLayer("windows", layer => layer.Window);
        if (attention is not null)
        {
            json.WriteNumber("num_heads", attention.NumHeads);
            json.WriteNumber("num_kv_heads", attention.NumKvHeads);
            json.WriteNumber("head_dim", attention.HeadDim);
        }

        if (spec.Attentions.Select(layer => layer.Shape).Distinct().Count() > 1)
        {
            WriteByLayer("num_kv_heads_by_layer", layer => layer.NumKvHeads);
            WriteByLayer("head_dim_by_layer", layer => layer.HeadDim);
        }

        if (mlp is not null)
        {
            json.WriteNumber("intermediate_size", mlp.IntermediateSize);
            json.WriteString("activation", mlp.Activation.ToString().ToLowerInvariant());
            json.WriteBoolean("gated_mlp", mlp.IsGated);
        }

        if (spec.Norms.FirstOrDefault() is { } norm)
        {
            json.WriteString("norm", norm.Kind.ToString().ToLowerInvariant());
            bool before = spec.Layers.SelectMany(layer => layer.Parts).Any(part => part.NormBefore is not null);
            json.WriteString("norm_placement", before ? "pre" : "post");
        }

        json.WriteBoolean("tied_output_head", spec.TiesHead);
        json.WriteStartArray("eos_token_ids");
        foreach (int id in eosTokenIds ?? [])
        {
            json.WriteNumberValue(id);
        }

        json.WriteEndArray();
        json.WriteEndObject();

        void WriteByLayer(string name, Func<AttentionSpec, int?> number)
        {
            json.WriteStartArray(name);
            foreach (AttentionSpec layer in spec.Attentions)
            {
                if (number(layer) is { } value)
                {
                    json.WriteNumberValue(value);
                }
                else
                {
                    json.WriteNullValue();
                }
            }

            json.WriteEndArray();
        }
    }

    private static void WriteMemory(Utf8JsonWriter json, InspectReport report)
    {
        ModelInfo plan = report.Plan;
        json.WriteStartObject("memory");
        json.WriteNumber("checkpoint_bytes", report.CheckpointBytes);
        json.WriteString("weights", SettingNames.Of(plan.Weights));
        json.WriteString("stored_quantization", plan.StoredQuantization);
        json.WriteStartArray("notes");
        foreach (string note in plan.Notes)
        {
            json.WriteStringValue(note);
        }

        json.WriteEndArray();
        json.WriteStartObject("weight_bytes");
        foreach ((WeightScheme scheme, long bytes) in report.WeightBytes)
        {
            json.WriteNumber(SettingNames.Of(scheme), bytes);
        }

        json.WriteEndObject();
        json.WriteStartObject("kv_cache");
        json.WriteString("dtype", SettingNames.Of(plan.KvCache));
        json.WriteNumber("bytes", plan.KvCacheBytes);
        json.WriteNumber("bytes_per_token", plan.CacheBytesPerToken);
        json.WriteNumber("bytes_per_block", report.BytesPerBlock);
        json.WriteNumber("block_size", plan.BlockSize);
        json.WriteNumber("num_blocks", plan.NumBlocks);
        json.WriteNumber("num_tokens", plan.KvCacheTokens);
        WriteCacheKinds(json, report.CacheKinds());
        json.WriteEndObject();
        json.WriteNumber("activation_bytes", report.ActivationBytes);
        json.WriteNumber("total_bytes", report.TotalBytes);
        json.WriteNumber("available_bytes", plan.Memory.Free);
        json.WriteString("available_by", plan.Memory.Source);
        json.WriteNumber("memory_bytes", plan.Memory.Total);
        json.WriteNumber("max_model_len", plan.MaxModelLen);
        json.WriteNumber("max_num_seqs", plan.MaxNumSeqs);
        json.WriteNumber("max_num_batched_tokens", plan.MaxNumBatchedTokens);
        json.WriteEndObject();
    }

    /// <summary>Writes what layers of each window keep of a request.</summary>
    public static void WriteCacheKinds(Utf8JsonWriter json, IEnumerable<CacheKind> kinds)
    {
        json.WriteStartArray("kv_cache_groups");
        foreach (CacheKind kind in kinds)
        {
            json.WriteStartObject();
            if (kind.Window is { } window)
            {
                json.WriteNumber("window", window);
            }
            else
            {
                json.WriteNull("window");
            }

            json.WriteNumber("layers", kind.Layers);
            json.WriteNumber("bytes_per_request", kind.Bytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteProcessor(Utf8JsonWriter json, ModelInfo plan)
    {
        json.WriteStartObject("processor");
        json.WriteString("name", ProcessorReport.Name);
        json.WriteString("instruction_set", plan.Kernels);
        json.WriteNumber("threads", plan.Threads);
        json.WriteStartObject("features");
        foreach ((string name, bool present) in ProcessorReport.Features)
        {
            json.WriteBoolean(name, present);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteTensors(Utf8JsonWriter json, IEnumerable<TensorRow> tensors)
    {
        json.WriteStartArray("tensors");
        foreach (TensorRow tensor in tensors)
        {
            json.WriteStartObject();
            json.WriteString("name", tensor.Name);
            json.WriteString("type", tensor.Type);
            json.WriteStartArray("shape");
            foreach (long dimension in tensor.Shape)
            {
                json.WriteNumberValue(dimension);
            }

            json.WriteEndArray();
            json.WriteNumber("bytes", tensor.Bytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
