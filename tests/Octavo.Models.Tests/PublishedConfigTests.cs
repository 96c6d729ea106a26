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

    /// <summary>
    /// Configs of supported families, as published and as transformers writes them: every field is known, or known to
    /// have no effect.
    /// </summary>
    [Fact]
    public void Describe_ConfigsOfSupportedFamilies_KnowsTheirFields()
    {
        string[] files =
        [
            .. Directory.GetFiles(SharedData.Require("third-party/configs"), "*.json"),
            .. Directory.GetFiles(
                SharedData.Require("gguf/models"), "config-published.json", SearchOption.AllDirectories),
            .. Goldens("golden"),
            .. Goldens("golden-hf"),
        ];
        SortedSet<string> unknown = new(StringComparer.Ordinal);
        int described = 0;
        foreach (string file in files)
        {
            try
            {
                ModelCatalog.Describe(ModelSource.ReadConfig(file), out IReadOnlyList<string> notes);
                described++;
                unknown.UnionWith(notes
                    .Where(note => note.Contains("is not known", StringComparison.Ordinal))
                    .Select(note => $"{Path.GetRelativePath(SharedData.Require("."), file)} {note}"));
            }
            catch (UnsupportedModelException)
            {
                // Other families.
            }
        }

        described.ShouldBeGreaterThan(90);
        unknown.ShouldBeEmpty();

        static IEnumerable<string> Goldens(string directory) =>
            Directory.GetDirectories(SharedData.Require(directory)).Select(name => Path.Combine(name, "config.json"))
                .Where(File.Exists);
    }

    /// <summary>A field that nobody knows is named, unless it says nothing; those of parts are the whole's.</summary>
    [Fact]
    public void Describe_UnknownField_IsNamedInANote()
    {
        using JsonDocument json = JsonDocument.Parse(
            """
            {"architectures":["Gemma3ForConditionalGeneration"],"text_config":{
              "hidden_size":64,"intermediate_size":64,"model_type":"gemma3_text","num_hidden_layers":2,
              "attention_twist":0.5,"attention_turn":null,"attention_bend":false,"initializer_range":0.02}}
            """);

        ModelCatalog.Describe(new ConfigReader("config.json", json.RootElement), out IReadOnlyList<string> notes);

        notes.ShouldBe(
        [
            "config.json describes a model of several parts: only its text, text_config, is loaded",
            "config.json: text_config.attention_twist is not known to Gemma3ForCausalLM, and has no effect",
        ]);
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

    /// <summary>
    /// Key-value heads that a config leaves out are those of transformers 5.24's class; a null there is as many as
    /// query heads.
    /// </summary>
    [Theory]
    [InlineData("GlmForCausalLM", 2)]
    [InlineData("Starcoder2ForCausalLM", 2)]
    [InlineData("Ernie4_5ForCausalLM", 2)]
    [InlineData("SmolLM3ForCausalLM", 4)]
    [InlineData("Gemma2ForCausalLM", 4)]
    [InlineData("MistralForCausalLM", 8)]
    [InlineData("SeedOssForCausalLM", 8)]
    [InlineData("LlamaForCausalLM", 32)]
    public void Describe_WithoutKeyValueHeads_TakesTheFamilysDefault(string architecture, int expected)
    {
        Describe("").Attentions.ShouldAllBe(attention => attention.NumKvHeads == expected);
        Describe("\"num_key_value_heads\":null,").Attentions.ShouldAllBe(attention => attention.NumKvHeads == 32);

        DecoderSpec Describe(string fields) => Parse(
            $$"""
            {"architectures":["{{architecture}}"],{{fields}}"hidden_size":2048,"intermediate_size":64,"vocab_size":99,
             "num_attention_heads":32,"num_hidden_layers":4,"max_position_embeddings":128}
            """);
    }

    /// <summary>GPT-2's fields have the usual names, too, and the MLP's width has defaults of its own.</summary>
    [Theory]
    [InlineData("GPT2LMHeadModel", "\"hidden_size\":64,\"num_attention_heads\":4,\"num_hidden_layers\":2", 256)]
    [InlineData("GPTJForCausalLM", "\"hidden_size\":64,\"n_head\":4,\"n_layer\":2,\"rotary_dim\":8", 256)]
    [InlineData("MptForCausalLM", "\"hidden_size\":64,\"n_heads\":4,\"num_hidden_layers\":2", 256)]
    [InlineData("BloomForCausalLM", "\"n_embed\":64,\"hidden_size\":8,\"n_head\":4,\"n_layer\":2", 256)]
    [InlineData("FalconForCausalLM", "\"n_embed\":64,\"num_attention_heads\":4,\"num_hidden_layers\":2", 256)]
    [InlineData("PhiForCausalLM", "\"hidden_size\":64,\"num_attention_heads\":4,\"num_hidden_layers\":2", 8192)]
    [InlineData("GPTNeoXForCausalLM", "\"hidden_size\":64,\"num_attention_heads\":4,\"num_hidden_layers\":2", 24576)]
    public void Describe_OtherNamesOfSizes_AreTheSameFields(string architecture, string fields, int intermediate)
    {
        DecoderSpec spec = Parse($$"""{"architectures":["{{architecture}}"],"vocab_size":99,{{fields}}}""");

        (spec.HiddenSize, spec.NumLayers).ShouldBe((64, 2));
        spec.Attentions.ShouldAllBe(attention => attention.NumHeads == 4);
        spec.FeedForwards.ShouldAllBe(mlp => mlp.IntermediateSize == intermediate);
    }

    /// <summary>
    /// As transformers has it: scaling beside the parameters of both kinds is that of full attention.
    /// </summary>
    [Fact]
    public void Describe_ScalingBesideNestedParameters_CountsForFullAttention()
    {
        DecoderSpec spec = Parse(
            """
            {"architectures":["Gemma3ForCausalLM"],"hidden_size":64,"intermediate_size":64,"num_hidden_layers":6,
             "rope_scaling":{"rope_type":"linear","factor":8.0},
             "rope_parameters":{"full_attention":{"rope_type":"default","rope_theta":5000.0},
                                "sliding_attention":{"rope_type":"default","rope_theta":700.0}}}
            """);

        spec.Attentions.ShouldAllBe(attention => attention.Positions == (attention.Window == null
            ? new RotaryPositions(5000, new LinearRopeScaling(8))
            : new RotaryPositions(700, null)));
    }

    /// <summary>Hunyuan's alpha stretches the base at every length.</summary>
    [Fact]
    public void Describe_HunyuanAsPublished_HasOneBaseForEveryLength()
    {
        DecoderSpec spec = Parse(
            """
            {"architectures":["HunYuanDenseV1ForCausalLM"],"hidden_size":64,"intermediate_size":64,"vocab_size":99,
             "num_attention_heads":4,"num_hidden_layers":2,"max_position_embeddings":32768,"head_dim":8,
             "rope_scaling":{"alpha":1000.0,"beta_fast":32,"beta_slow":1,"factor":1.0,"mscale":1.0,
                             "mscale_all_dim":1.0,"type":"dynamic"}}
            """);

        var rotary = spec.Attentions.First().Positions.ShouldBeOfType<RotaryPositions>();
        rotary.ShouldBe(new RotaryPositions(10000, new NtkRopeScaling(1000)));
        rotary.InverseFrequencies(8).ShouldBe([1, 0.01, 0.0001, 0.000001], tolerance: 1e-12);
        spec.DefaultMaxModelLen.ShouldBe(32768);
    }

    private static DecoderSpec Parse(string config)
    {
        using JsonDocument json = JsonDocument.Parse(config);
        return ModelCatalog.Describe(new ConfigReader("config.json", json.RootElement));
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
