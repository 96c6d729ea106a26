using Octavo.Formats;

namespace Octavo.Models.Tests;

public sealed class ModelCatalogTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void SupportedArchitectures_Always_ListsTheFamilies()
    {
        ModelCatalog.SupportedArchitectures.ShouldContain("LlamaForCausalLM");
        ModelCatalog.SupportedArchitectures.ShouldContain("OPTForCausalLM");
        ModelCatalog.SupportedArchitectures.ShouldBeUnique();
    }

    [Theory]
    [InlineData("model.")]
    [InlineData("")]
    public void Describe_LlamaWithOrWithoutPrefix_FindsTheTensors(string prefix)
    {
        DecoderSpec spec = TinyModel.Llama(prefix).Describe(_directory).Spec;
        spec.TokenEmbedding.ShouldBe($"{prefix}embed_tokens.weight");
        spec.Attentions.Last().Value!.Weight.ShouldBe($"{prefix}layers.1.self_attn.v_proj.weight");
    }

    [Fact]
    public void Describe_LlamaDefaults_AreThoseOfTransformers()
    {
        TinyModel model =
            TinyModel.Llama().Without("num_key_value_heads").Without("rms_norm_eps").With("head_dim", "null");
        foreach (string name in model.Shapes.Keys.Where(n => n.Contains("k_proj") || n.Contains("v_proj")).ToArray())
        {
            model.Shapes[name] = [8, 8];
        }

        ModelDescription description = model.Describe(_directory);
        AttentionSpec attention = description.Spec.Attentions.First();
        (attention.NumKvHeads, attention.HeadDim, attention.NormBefore!.Epsilon).ShouldBe((2, 4, 1e-6f));
        attention.Positions.ShouldBe(new RotaryPositions(10000, null));
        description.Spec.OutputHead.ShouldNotBeNull();
        description.StoredType.ShouldBe(TensorType.Float16);
    }

    [Fact]
    public void Describe_TiedLlamaThatStoresAHead_TakesItWithANote()
    {
        TinyModel model = TinyModel.Llama().With("tie_word_embeddings", "true");
        model.Describe(_directory).Notes.ShouldBeEmpty();   // a copy of the embedding: all are zeros
        model.Values["lm_head.weight"] = 0x3C;
        ModelDescription description = model.Describe(_directory);
        description.Spec.OutputHead.ShouldBe(new LinearTensors("lm_head.weight", null));
        description.Notes.ShouldHaveSingleItem()
            .ShouldStartWith("lm_head.weight is stored, and is not the embedding: it counts");
    }

    [Fact]
    public void Describe_TiedOptThatStoresAHead_TakesIt()
    {
        TinyModel model = TinyModel.Opt350M();
        model.Describe(_directory).Spec.OutputHead.ShouldBeNull();
        model.Shapes["lm_head.weight"] = [16, 6];
        model.Values["lm_head.weight"] = 0x3C;
        ModelDescription description = model.Describe(_directory);
        description.Spec.OutputHead!.Weight.ShouldBe("lm_head.weight");
        description.Notes.Count.ShouldBe(1);
    }

    [Fact]
    public void Describe_TiedLlamaWithAHeadOfAnotherShape_IsRefused()
    {
        TinyModel model = TinyModel.Llama().With("tie_word_embeddings", "true");
        model.Shapes["lm_head.weight"] = [1];
        Should.Throw<CheckpointException>(() => model.Describe(_directory)).Tensor.ShouldBe("lm_head.weight");
    }

    [Fact]
    public void Describe_Opt350M_HasProjectionsNormsAfterAndNoFinalNorm()
    {
        DecoderSpec spec = TinyModel.Opt350M().Describe(_directory).Spec;
        (spec.EmbeddingSize, spec.HiddenSize).ShouldBe((6, 8));
        spec.Layers.SelectMany(l => l.Parts).ShouldAllBe(part => part.NormBefore == null && part.NormAfter != null);
        spec.ProjectIn.ShouldBe(new("model.decoder.project_in.weight", null));
        spec.ProjectOut.ShouldBe(new("model.decoder.project_out.weight", null));
        spec.FinalNorm.ShouldBeNull();
    }

    [Fact]
    public void Describe_OptPreNormWithoutFinalNorm_HasNone()
    {
        TinyModel model =
            TinyModel.Opt350M("decoder.").With("do_layer_norm_before", "true").With("_remove_final_layer_norm", "true");
        DecoderSpec spec = model.Describe(_directory).Spec;
        spec.Layers.SelectMany(l => l.Parts).ShouldAllBe(part => part.NormBefore != null && part.NormAfter == null);
        spec.FinalNorm.ShouldBeNull();
        spec.TokenEmbedding.ShouldBe("decoder.embed_tokens.weight");
    }

    [Fact]
    public void Describe_OptWithoutBiases_NamesNone()
    {
        TinyModel model = TinyModel.Opt350M().With("enable_bias", "false");
        foreach (string name in model.Shapes.Keys.Where(n => n.EndsWith(".bias") && !n.Contains("norm")).ToArray())
        {
            model.Shapes.Remove(name);
        }

        DecoderSpec spec = model.Describe(_directory).Spec;
        spec.Layers.SelectMany(l => l.Linears).SelectMany(l => l.Matrices).ShouldAllBe(m => m.Names.Bias == null);
        spec.Norms.ShouldAllBe(n => n.Names.Bias != null);
    }

    [Fact]
    public void Describe_NoArchitectures_FallsBackToModelType()
    {
        TinyModel.Llama().Without("architectures").Describe(_directory).Spec.Architecture.ShouldBe("LlamaForCausalLM");
        TinyModel.Opt350M().With("architectures", "[]").Describe(_directory).Spec.Architecture
            .ShouldBe("OPTForCausalLM");
    }

    [Fact]
    public void Describe_EosInBothConfigs_PutsGenerationFirst()
    {
        TinyModel model = TinyModel.Llama().With("eos_token_id", "[2,9]");
        model.Generation = TinyModel.Parse("""{"eos_token_id":[7,2],"bos_token_id":3}""");
        ModelDescription description = model.Describe(_directory);
        description.EosTokenIds.ShouldBe([7, 2, 9]);
        description.BosTokenId.ShouldBe(3);
    }

    [Fact]
    public void Describe_RopeParametersWithoutType_TakeThetaFromInside()
    {
        TinyModel model = TinyModel.Llama().With("rope_parameters", """{"rope_theta":5000}""").With("rope_theta", "7");
        model.Describe(_directory).Spec.Attentions.First().Positions.ShouldBe(new RotaryPositions(5000, null));
    }

    [Theory]
    [InlineData("rope_scaling", "{}")]
    [InlineData("rope_scaling", "null")]
    [InlineData("rope_parameters", "{}")]
    [InlineData("rope_parameters", "null")]
    [InlineData("rope_scaling", "{\"rope_theta\":7}")]
    public void Describe_RopeFieldThatSaysNothing_IsTheDefault(string field, string json)
    {
        TinyModel.Llama().With("rope_theta", "7").With(field, json).Describe(_directory).Spec.Attentions
            .First().Positions.ShouldBe(new RotaryPositions(7, null));
    }

    [Theory]
    [InlineData("{}", 3.0)]
    [InlineData("{\"rope_type\":\"linear\",\"factor\":2}", 2.0)]
    public void Describe_BothRopeFields_TakesTheOlderThatSaysSomething(string scaling, double factor)
    {
        TinyModel model = TinyModel.Llama()
            .With("rope_scaling", scaling)
            .With("rope_parameters", """{"rope_type":"linear","factor":3,"rope_theta":10000}""");
        model.Describe(_directory).Spec.Attentions
            .First().Positions
            .ShouldBe(new RotaryPositions(10000, new LinearRopeScaling(factor)));
    }

    /// <summary>The text of a model with a vision tower, in the names of transformers 4 and 5.</summary>
    [Theory]
    [InlineData("language_model.model.", "language_model.lm_head.weight")]
    [InlineData("model.language_model.", "lm_head.weight")]
    public void Describe_ModelOfSeveralParts_TakesItsTextAndSaysSo(string prefix, string head)
    {
        TinyModel text = TinyModel.Llama(prefix);
        text.Shapes.Remove("lm_head.weight", out long[]? shape);
        text.Shapes[head] = shape!;
        text.Shapes["vision_tower.patch.weight"] = [3, 8];
        string inner = text.Config.ToJsonString();
        foreach (string field in text.Config.Select(f => f.Key).ToArray())
        {
            text.Config.Remove(field);
        }

        ModelDescription model = text
            .With("architectures", "[\"LlavaForConditionalGeneration\"]").With("model_type", "\"llava\"")
            .With("text_config", inner).With("eos_token_id", "5").Describe(_directory);
        model.Spec.TokenEmbedding.ShouldBe(prefix + "embed_tokens.weight");
        model.Spec.OutputHead!.Weight.ShouldBe(head);
        model.EosTokenIds.ShouldBe([2]);
        model.Notes.ShouldContain(note => note.Contains("only its text, text_config, is loaded"));
        model.Notes.ShouldContain(note => note.Contains("vision_tower.patch.weight"));
    }

    [Fact]
    public void Describe_IdFieldsAsLists_AreRead()
    {
        TinyModel model = TinyModel.Llama().With("eos_token_id", "[2, null, 9]").With("bos_token_id", "[4]")
            .With("pad_token_id", "[0]");
        ModelDescription description = model.Describe(_directory);
        description.EosTokenIds.ShouldBe([2, 9]);
        description.BosTokenId.ShouldBe(4);
    }

    [Theory]
    [InlineData("architectures", "[\"MambaForCausalLM\"]", "'MambaForCausalLM'", "VaultGemmaForCausalLM")]
    [InlineData("hidden_act", "\"quick_gelu\"", "quick_gelu", "xielu")]
    [InlineData("pretraining_tp", "2", "2", "1")]
    [InlineData("partial_rotary_factor", "0.5", "0.5", "1")]
    [InlineData("sliding_window", "4096", "4096", "null (full attention)")]
    [InlineData(
        "quantization_config", "{\"quant_method\":\"fbgemm_fp8\"}", "'fbgemm_fp8'",
        "compressed-tensors, gptq, awq, fp8, bitsandbytes, hqq, torchao, auto-round")]
    [InlineData(
        "quantization_config", "{\"quant_method\":\"gptq\",\"bits\":3,\"group_size\":128}", ".bits is 3", "4, 8")]
    [InlineData(
        "quantization_config",
        "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":128,\"checkpoint_format\":\"marlin\"}", "marlin",
        "gptq, gptq_v2")]
    [InlineData(
        "quantization_config", "{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":128,\"version\":\"gemv\"}", "gemv",
        "gemm")]
    [InlineData(
        "compression_config", "{\"format\":\"marlin-24\"}", "marlin-24",
        "int-quantized, pack-quantized, float-quantized, naive-quantized, mxfp4-pack-quantized, nvfp4-pack-quantized, "
            + "mixed-precision, dense")]
    [InlineData(
        "quantization_config",
        """
        {"quant_method":"compressed-tensors","format":"pack-quantized",
         "config_groups":{"group_0":{"targets":["Linear"],"weights":{"num_bits":4,"type":"float"}}}}
        """,
        "config_groups.group_0.weights.num_bits is 4", "8")]
    [InlineData(
        "quantization_config", "{\"quant_method\":\"compressed-tensors\",\"transform_config\":{\"a\":1}}",
        "transform_config", "{}")]
    [InlineData(
        "rope_scaling", "{\"rope_type\":\"turbo\"}", "'turbo'",
        "default, linear, dynamic, llama3, yarn, longrope, proportional")]
    [InlineData("rope_scaling", "{\"type\":\"dynamic\",\"alpha\":1000}", ".alpha is 1000", "null")]
    [InlineData("rope_parameters", "{\"partial_rotary_factor\":0.5}", "0.5", "1")]
    public void Describe_UnsupportedLlamaField_NamesFieldValueAndAlternatives(
        string field, string json, string value, string supported)
    {
        UnsupportedModelException error = Should.Throw<UnsupportedModelException>(
            () => TinyModel.Llama().With(field, json).Describe(_directory));
        error.File.ShouldBe(_directory["config.json"]);
        error.Message.ShouldContain($"config.json: {field}");
        error.Message.ShouldContain(value);
        error.Message.ShouldEndWith(supported);
    }

    [Theory]
    [InlineData("activation_function", "\"gelu\"", "relu")]
    [InlineData("layer_norm_elementwise_affine", "false", "true")]
    public void Describe_UnsupportedOptField_NamesFieldAndAlternatives(string field, string json, string supported)
    {
        UnsupportedModelException error = Should.Throw<UnsupportedModelException>(
            () => TinyModel.Opt350M().With(field, json).Describe(_directory));
        error.Field.ShouldBe(field);
        error.Message.ShouldEndWith(supported);
    }

    [Fact]
    public void Describe_UnknownModelType_ListsTheKnown()
    {
        TinyModel model = TinyModel.Llama().Without("architectures").With("model_type", "\"mamba\"");
        Should.Throw<UnsupportedModelException>(() => model.Describe(_directory)).Message
            .ShouldEndWith("stablelm, starcoder2, vaultgemma");
    }

    [Theory]
    [InlineData("architectures", "\"LlamaForCausalLM\"", "a list of strings")]
    [InlineData("architectures", "[1]", "a list of strings")]
    [InlineData("hidden_size", "\"8\"", "an integer")]
    [InlineData("hidden_size", "8.5", "an integer")]
    [InlineData("hidden_size", "0", "from 1")]
    [InlineData("hidden_size", "-8", "from 1")]
    [InlineData("hidden_size", "2000000000", "to 1048576")]
    [InlineData("hidden_size", "99999999999999999999", "an integer")]
    [InlineData("vocab_size", "1000000000", "to 16777216")]
    [InlineData("num_hidden_layers", "0", "from 1")]
    [InlineData("num_hidden_layers", "100000", "to 4096")]
    [InlineData("intermediate_size", "null", "is missing")]
    [InlineData("max_position_embeddings", "null", "is missing")]
    [InlineData("num_attention_heads", "3", "must divide hidden_size")]
    [InlineData("num_key_value_heads", "3", "must divide num_attention_heads")]
    [InlineData("num_key_value_heads", "0", "from 1")]
    [InlineData("head_dim", "3", "must be even")]
    [InlineData("rms_norm_eps", "0", "above 0")]
    [InlineData("rms_norm_eps", "\"1e-5\"", "a finite number")]
    [InlineData("rope_theta", "-1", "above 0")]
    [InlineData("rope_theta", "1e999", "a finite number")]
    [InlineData("rope_scaling", "8", "an object")]
    [InlineData("rope_scaling", "{\"factor\":2}", "rope_scaling.rope_type is missing")]
    [InlineData("rope_scaling", "{\"type\":\"linear\"}", "rope_scaling.factor is missing")]
    [InlineData("rope_scaling", "{\"type\":\"linear\",\"factor\":0}", "above 0")]
    [InlineData(
        "rope_scaling",
        """
        {"type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4,"original_max_position_embeddings":8}
        """,
        "must be above low_freq_factor")]
    [InlineData("attention_bias", "\"yes\"", "true or false")]
    [InlineData("tie_word_embeddings", "1", "true or false")]
    [InlineData("hidden_act", "1", "a string")]
    [InlineData("eos_token_id", "\"2\"", "a list of integers")]
    [InlineData("bos_token_id", "[\"1\"]", "an integer")]
    [InlineData("torch_dtype", "16", "a string")]
    public void Describe_WrongLlamaField_NamesFileAndField(string field, string json, string words)
    {
        TinyModel model = TinyModel.Llama();
        CheckpointException error =
            Should.Throw<CheckpointException>(() => model.With(field, json).Describe(_directory));
        error.File.ShouldBe(_directory["config.json"]);
        error.Message.ShouldContain(field);
        error.Message.ShouldContain(words);
    }

    [Fact]
    public void Describe_MissingTensor_NamesIt()
    {
        TinyModel model = TinyModel.Llama();
        model.Shapes.Remove("model.layers.1.mlp.up_proj.weight");
        CheckpointException error = Should.Throw<CheckpointException>(() => model.Describe(_directory));
        error.Tensor.ShouldBe("model.layers.1.mlp.up_proj.weight");
        error.File.ShouldBe(_directory.Root);
    }

    [Fact]
    public void Describe_WrongShape_NamesExpectedAndFound()
    {
        TinyModel model = TinyModel.Llama();
        model.Shapes["model.layers.0.self_attn.k_proj.weight"] = [8, 4];
        CheckpointException error = Should.Throw<CheckpointException>(() => model.Describe(_directory));
        error.File.ShouldBe(_directory["model.safetensors"]);
        error.Message.ShouldContain("'model.layers.0.self_attn.k_proj.weight'");
        error.Message.ShouldContain("[4, 8]");
        error.Message.ShouldContain("[8, 4]");
    }

    [Fact]
    public void Describe_WrongType_NamesExpectedAndFound()
    {
        TinyModel model = TinyModel.Llama();
        model.Types["model.norm.weight"] = TensorType.Int8;
        string message = Should.Throw<CheckpointException>(() => model.Describe(_directory)).Message;
        message.ShouldContain("'model.norm.weight'");
        message.ShouldContain("F32, F16 or BF16, found I8");
    }

    [Fact]
    public void Describe_BiasThatConfigDenies_IsRefused()
    {
        TinyModel model = TinyModel.Llama();
        model.Shapes["model.layers.0.self_attn.q_proj.bias"] = [8];
        Should.Throw<CheckpointException>(() => model.Describe(_directory))
            .Tensor.ShouldBe("model.layers.0.self_attn.q_proj.bias");
    }

    [Fact]
    public void Describe_EveryTensorOfTheTinyModels_IsChecked()
    {
        foreach (Func<TinyModel> make in new Func<TinyModel>[] { () => TinyModel.Llama(), () => TinyModel.Opt350M() })
        {
            foreach (string name in make().Shapes.Keys.Where(name => !name.Contains("rotary_emb")))
            {
                TinyModel model = make();
                model.Shapes[name] = [3, 3, 3];
                Should.Throw<CheckpointException>(() => model.Describe(_directory)).Tensor.ShouldBe(name);
            }
        }
    }

    [Fact]
    public void Describe_FlippedConfigBytes_ThrowsOnlyItsTwoExceptions()
    {
        TinyModel.Llama().With("rope_scaling", """{"type":"linear","factor":2.0}""").Describe(_directory);
        byte[] valid = File.ReadAllBytes(_directory["config.json"]);
        using Checkpoint checkpoint = Checkpoint.Open(_directory.Root);
        var random = new Random(3);
        int accepted = 0;
        for (int i = 0; i < 5000; i++)
        {
            byte[] bytes = [.. valid];
            bytes[random.Next(bytes.Length)] = random.Next(2) == 0
                ? (byte)random.Next(256)
                : "\"{}[],:0123456789-e."u8[random.Next(20)];
            _directory.Write("config.json", bytes);
            try
            {
                ModelCatalog.Describe(ModelSource.Open(_directory.Root), checkpoint);
                accepted++;
            }
            catch (Exception e) when (e is CheckpointException or UnsupportedModelException)
            {
                e.Message.ShouldContain(_directory.Root);
            }
        }

        accepted.ShouldBeInRange(100, 4900);
    }
}
