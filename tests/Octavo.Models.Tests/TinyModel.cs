using System.Text.Json.Nodes;
using Octavo.Formats;

namespace Octavo.Models.Tests;

/// <summary>A model of a few numbers, made in code: change its config or tensors, then describe it.</summary>
internal sealed class TinyModel
{
    public JsonObject Config { get; private init; } = [];

    public JsonObject? Generation { get; set; }

    public Dictionary<string, long[]> Shapes { get; private init; } = [];

    public Dictionary<string, TensorType> Types { get; } = [];

    // The byte that a tensor is filled with; 0 where none is given.
    public Dictionary<string, byte> Values { get; } = [];

    // Hidden 8, 2 query heads of 4 and one key-value head, MLP 12, vocabulary 16, 2 layers.
    public static TinyModel Llama(string prefix = "model.")
    {
        var shapes = new Dictionary<string, long[]>
        {
            [$"{prefix}embed_tokens.weight"] = [16, 8],
            [$"{prefix}norm.weight"] = [8],
            ["lm_head.weight"] = [16, 8],
        };
        for (int i = 0; i < 2; i++)
        {
            string layer = $"{prefix}layers.{i}.";
            shapes[$"{layer}input_layernorm.weight"] = [8];
            shapes[$"{layer}self_attn.q_proj.weight"] = [8, 8];
            shapes[$"{layer}self_attn.k_proj.weight"] = [4, 8];
            shapes[$"{layer}self_attn.v_proj.weight"] = [4, 8];
            shapes[$"{layer}self_attn.o_proj.weight"] = [8, 8];
            shapes[$"{layer}self_attn.rotary_emb.inv_freq"] = [2];
            shapes[$"{layer}post_attention_layernorm.weight"] = [8];
            shapes[$"{layer}mlp.gate_proj.weight"] = [12, 8];
            shapes[$"{layer}mlp.up_proj.weight"] = [12, 8];
            shapes[$"{layer}mlp.down_proj.weight"] = [8, 12];
        }

        return new TinyModel
        {
            Shapes = shapes,
            Config = Parse(
                """
                {"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":16,"hidden_size":8,
                 "intermediate_size":12,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,
                 "max_position_embeddings":32,"rms_norm_eps":1e-5,"bos_token_id":1,"eos_token_id":2}
                """),
        };
    }

    // Hidden 8, 2 heads of 4, MLP 12, vocabulary 16, one layer; embedding 6 wide and norms after, as in opt-350m.
    public static TinyModel Opt350M(string prefix = "model.decoder.")
    {
        var shapes = new Dictionary<string, long[]>
        {
            [$"{prefix}embed_tokens.weight"] = [16, 6],
            [$"{prefix}embed_positions.weight"] = [34, 8],
            [$"{prefix}project_in.weight"] = [8, 6],
            [$"{prefix}project_out.weight"] = [6, 8],
        };
        string layer = $"{prefix}layers.0.";
        foreach ((string name, int outputs, int inputs) in new[]
        {
            ("self_attn.q_proj", 8, 8), ("self_attn.k_proj", 8, 8), ("self_attn.v_proj", 8, 8),
            ("self_attn.out_proj", 8, 8), ("fc1", 12, 8), ("fc2", 8, 12),
        })
        {
            shapes[$"{layer}{name}.weight"] = [outputs, inputs];
            shapes[$"{layer}{name}.bias"] = [outputs];
        }

        foreach (string name in new[] { "self_attn_layer_norm", "final_layer_norm" })
        {
            shapes[$"{layer}{name}.weight"] = [8];
            shapes[$"{layer}{name}.bias"] = [8];
        }

        return new TinyModel
        {
            Shapes = shapes,
            Config = Parse(
                """
                {"architectures":["OPTForCausalLM"],"model_type":"opt","vocab_size":16,"hidden_size":8,"ffn_dim":12,
                 "num_hidden_layers":1,"num_attention_heads":2,"max_position_embeddings":32,
                 "do_layer_norm_before":false,"word_embed_proj_dim":6,"bos_token_id":2,"eos_token_id":2}
                """),
        };
    }

    public static JsonObject Parse(string json) => JsonNode.Parse(json)!.AsObject();

    /// <summary>Sets one field to a JSON value.</summary>
    public TinyModel With(string field, string json)
    {
        Config[field] = JsonNode.Parse(json);
        return this;
    }

    public TinyModel Without(string field)
    {
        Config.Remove(field);
        return this;
    }

    public ModelDescription Describe(TempDirectory directory)
    {
        directory.Write("config.json", Config.ToJsonString());
        if (Generation is not null)
        {
            directory.Write("generation_config.json", Generation.ToJsonString());
        }

        SafetensorsWriter.Write(directory["model.safetensors"], Shapes.Select(entry =>
        {
            TensorType type = Types.GetValueOrDefault(entry.Key, TensorType.Float16);
            long bytes = entry.Value.Aggregate(1L, (a, b) => a * b) * type.BitsPerElement() / 8;
            byte[] data = new byte[bytes];
            Array.Fill(data, Values.GetValueOrDefault(entry.Key));
            return new TensorSource(entry.Key, type, entry.Value, data);
        }));
        ModelSource model = ModelSource.Open(directory.Root);
        using Checkpoint checkpoint = model.OpenCheckpoint();
        return ModelCatalog.Describe(model, checkpoint);
    }
}
