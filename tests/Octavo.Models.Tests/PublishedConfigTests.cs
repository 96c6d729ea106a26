using System.Globalization;
using System.Text.Json;
using Octavo.Formats;
using Octavo.Testing;

namespace Octavo.Models.Tests;

/// <summary>Configurations as they are published, against what transformers 5 reads in them.</summary>
public sealed class PublishedConfigTests
{
    [Fact]
    public void Describe_PublishedConfig_IsWhatTransformersReadsOrIsRefusedByName()
    {
        string directory = SharedData.Require("third-party/configs");
        (int described, int refused) = (0, 0);
        foreach (string file in Directory.GetFiles(directory, "*.config.json").Order(StringComparer.Ordinal))
        {
            DecoderSpec spec;
            try
            {
                spec = ModelCatalog.Describe(ModelSource.ReadConfig(file));
            }
            catch (UnsupportedModelException e)
            {
                e.Field.ShouldNotBeEmpty(file);
                refused++;
                continue;
            }

            described++;
            string expected = file.Replace(".config.json", ".transformers5.json", StringComparison.Ordinal);
            if (File.Exists(expected))
            {
                Compare(spec, ModelSource.ReadConfig(expected), file);
            }
        }

        described.ShouldBeGreaterThanOrEqualTo(15);
        refused.ShouldBeGreaterThan(0);
    }

    /// <summary>The text of Gemma 3 4B as it is published: most sizes are the family's defaults.</summary>
    [Fact]
    public void Describe_Gemma3AsPublished_TakesTheFamilysDefaults()
    {
        using JsonDocument json = JsonDocument.Parse(
            """
            {"architectures":["Gemma3ForConditionalGeneration"],"model_type":"gemma3","text_config":{
              "hidden_size":2560,"intermediate_size":10240,"model_type":"gemma3_text","num_hidden_layers":34,
              "rope_scaling":{"factor":8.0,"rope_type":"linear"},"sliding_window":1024}}
            """);

        DecoderSpec spec = ModelCatalog.Describe(new ConfigReader("config.json", json.RootElement));

        (spec.VocabSize, spec.MaxPositionEmbeddings, spec.TiesHead).ShouldBe((262_208, 131_072, true));
        spec.Attentions.ShouldAllBe(a => a.NumHeads == 8 && a.NumKvHeads == 4 && a.HeadDim == 256);
        spec.Attentions.Count(a => a.Window == 1024).ShouldBe(29);
        foreach (AttentionSpec attention in spec.Attentions)
        {
            attention.Positions.ShouldBe(attention.Window is null
                ? new RotaryPositions(1_000_000, new LinearRopeScaling(8))
                : new RotaryPositions(10_000, null));
        }
    }

    /// <summary>A small Gemma 4: its last layers read the cache of earlier ones, and have wider MLPs.</summary>
    [Fact]
    public void Describe_Gemma4ThatSharesCaches_ReadsThoseOfTheLastLayerOfItsKind()
    {
        using JsonDocument json = JsonDocument.Parse(
            """
            {"architectures":["Gemma4ForConditionalGeneration"],"model_type":"gemma4","text_config":{
              "hidden_size":1536,"intermediate_size":6144,"model_type":"gemma4_text","num_hidden_layers":10,
              "num_key_value_heads":1,"num_kv_shared_layers":4,"use_double_wide_mlp":true,
              "layer_types":["sliding_attention","sliding_attention","full_attention","sliding_attention",
                "sliding_attention","full_attention","sliding_attention","sliding_attention","full_attention",
                "full_attention"]}}
            """);

        DecoderSpec spec = ModelCatalog.Describe(new ConfigReader("config.json", json.RootElement));

        spec.Attentions.Select(a => a.CacheOf).ShouldBe([null, null, null, null, null, null, 4, 4, 5, 5]);
        spec.Attentions.Select(a => a.Window)
            .ShouldBe([512, 512, null, 512, 512, null, 512, 512, null, null]);
        spec.Attentions.Select(a => a.Shape)
            .ShouldBe(spec.Attentions.Select(a => (8, 1, a.Window.HasValue ? 256 : 512)));
        spec.Attentions.Select(a => a.Key is null).ShouldBe(spec.Attentions.Select(a => a.CacheOf.HasValue));
        spec.FeedForwards.Select(mlp => mlp.IntermediateSize / 6144).ShouldBe([1, 1, 1, 1, 1, 1, 2, 2, 2, 2]);
        spec.LayerInputs.ShouldNotBeNull();
        (spec.LayerInputs.Count, spec.LayerInputs.Width, spec.LayerInputs.TableRows).ShouldBe((10, 256, 262_144));
        spec.CachedAttentions.Count().ShouldBe(6);
    }

    private static void Compare(DecoderSpec spec, ConfigReader expected, string file)
    {
        const int Any = int.MaxValue;
        int heads = expected.Size("num_attention_heads", Any), hidden = expected.Size("hidden_size", Any);
        spec.HiddenSize.ShouldBe(hidden, file);
        spec.NumLayers.ShouldBe(expected.Size("num_hidden_layers", Any), file);
        spec.VocabSize.ShouldBe(expected.Size("vocab_size", Any), file);
        spec.MaxPositionEmbeddings.ShouldBe(expected.Size("max_position_embeddings", Any), file);
        spec.FeedForwards.ShouldAllBe(mlp => mlp.IntermediateSize == expected.Size("intermediate_size", Any), file);
        string[] types = [.. expected.Texts("layer_types")];
        ConfigReader parameters = expected.Section("rope_parameters")!;
        Dictionary<int, ConfigReader> overrides = expected.Section("per_layer_config") is { } own
            ? own.Json.EnumerateObject().ToDictionary(
                layer => int.Parse(layer.Name, CultureInfo.InvariantCulture), layer => own.Section(layer.Name)!)
            : [];
        foreach ((AttentionSpec attention, int layer) in spec.Attentions.Select((a, i) => (a, i)))
        {
            attention.NumHeads.ShouldBe(heads, file);
            ConfigReader? stated = overrides.GetValueOrDefault(layer);
            attention.NumKvHeads.ShouldBe(
                stated?.Integer("num_key_value_heads") ?? expected.Size("num_key_value_heads", Any), file);
            attention.HeadDim.ShouldBe(
                stated?.Integer("head_dim") ?? expected.Integer("head_dim") ?? hidden / heads, file);
            ConfigReader rope = types.Length > 0 ? parameters.Section(types[layer]) ?? parameters : parameters;
            bool slides = types.Length > 0 && types[layer] == "sliding_attention";
            attention.Window.ShouldBe(slides ? expected.Integer("sliding_window") : null, file);
            var rotary = attention.Positions.ShouldBeOfType<RotaryPositions>(file);
            rotary.Theta.ShouldBe(rope.Positive("rope_theta")!.Value, file);
            (rotary.Scaling switch
            {
                null => "default",
                LinearRopeScaling => "linear",
                Llama3RopeScaling => "llama3",
                YarnRopeScaling => "yarn",
                ProportionalRopeScaling => "proportional",
                _ => "another",
            }).ShouldBe(rope.Text("rope_type"), file);
        }
    }
}
