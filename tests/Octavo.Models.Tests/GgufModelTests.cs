using Octavo.Formats;
using Octavo.Testing;

namespace Octavo.Models.Tests;

/// <summary>Models in GGUF files: what they are, and what is not believed.</summary>
public sealed class GgufModelTests
{
    /// <summary>Sizes, positions and windows that transformers reads of the model's own config.</summary>
    [Theory]
    [InlineData("cohere2")]
    [InlineData("exaone4")]
    [InlineData("gemma")]
    [InlineData("gemma2")]
    [InlineData("gemma3")]
    [InlineData("gemma4")]
    [InlineData("glm4")]
    [InlineData("granite")]
    [InlineData("llama-yarn")]
    [InlineData("olmo2")]
    [InlineData("phi3-longrope")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    [InlineData("smollm3")]
    [InlineData("stablelm")]
    [InlineData("starcoder2")]
    public void Describe_AFile_IsWhatThePublishedConfigSays(string name)
    {
        string directory = SharedData.Require($"gguf/models/{name}");
        DecoderSpec published = ModelCatalog.Describe(
            ModelSource.ReadConfig(Path.Combine(directory, "config-published.json")));
        ModelSource source = ModelSource.Open(directory);
        using Checkpoint checkpoint = source.OpenCheckpoint();
        DecoderSpec spec = ModelCatalog.Describe(source, checkpoint).Spec;

        spec.Architecture.ShouldBe(published.Architecture);
        (spec.HiddenSize, spec.VocabSize, spec.NumLayers, spec.MaxPositionEmbeddings).ShouldBe(
            (published.HiddenSize, published.VocabSize, published.NumLayers, published.MaxPositionEmbeddings));
        (spec.EmbeddingScale, spec.LogitsScale, spec.LogitsSoftCap).ShouldBe(
            (published.EmbeddingScale, published.LogitsScale, published.LogitsSoftCap));
        foreach ((AttentionSpec actual, AttentionSpec expected) in spec.Attentions.Zip(published.Attentions))
        {
            (actual.NumHeads, actual.NumKvHeads, actual.HeadDim, actual.Window, actual.SoftCap).ShouldBe(
                (expected.NumHeads, expected.NumKvHeads, expected.HeadDim, expected.Window, expected.SoftCap));
            (actual.Scale ?? 0).ShouldBe(expected.Scale ?? 0, 1e-6f);
            (actual.Positions is RotaryPositions).ShouldBe(expected.Positions is RotaryPositions);
            if (actual.Positions is RotaryPositions rotary)
            {
                double[] wanted = ((RotaryPositions)expected.Positions!).ForLength(spec.DefaultMaxModelLen)
                    .InverseFrequencies(actual.HeadDim);
                double[] found = rotary.ForLength(spec.DefaultMaxModelLen).InverseFrequencies(actual.HeadDim);
                found.Length.ShouldBe(wanted.Length);
                found.Zip(wanted, (f, w) => Math.Abs(f - w)).Max().ShouldBeLessThan(1e-6, name);
            }
        }

        spec.FeedForwards.Select(mlp => (mlp.IntermediateSize, mlp.Activation, mlp.IsGated)).ShouldBe(
            published.FeedForwards.Select(mlp => (mlp.IntermediateSize, mlp.Activation, mlp.IsGated)));
    }

    [Theory]
    [InlineData("gpt_oss", "general.architecture")]
    [InlineData("mamba2", "general.architecture")]
    [InlineData("qwen2_moe", "general.architecture")]
    [InlineData("vocab-llama", "holds no tensors")]
    public void Open_WhatIsNotSupported_SaysWhich(string name, string words)
    {
        string directory = SharedData.Require($"gguf/models/{name}");
        Should.Throw<Exception>(() =>
        {
            ModelSource source = ModelSource.Open(directory);
            using Checkpoint checkpoint = source.OpenCheckpoint();
            ModelCatalog.Describe(source, checkpoint);
        }).Message.ShouldContain(words);
    }

    /// <summary>What stands before the tensors' data, changed anywhere: a clear error, or a model.</summary>
    [Fact]
    public void Open_MutatedFiles_AreDescribedOrRefused()
    {
        byte[] whole = File.ReadAllBytes(SharedData.Require("gguf/models/llama-llama3/model.gguf"));
        using Checkpoint original = Checkpoint.Open(SharedData.Require("gguf/models/llama-llama3/model.gguf"));
        int header = (int)(whole.Length - original.TotalBytes);
        int count = Environment.GetEnvironmentVariable("OCTAVO_EXTENSIVE") == "1" ? 20_000 : 300;
        var random = new Random(1);
        string path = Path.Combine(Directory.CreateTempSubdirectory("octavo-").FullName, "model.gguf");
        for (int i = 0; i < count; i++)
        {
            byte[] mutated = i % 8 == 0 ? whole[..random.Next(whole.Length)] : [.. whole];
            for (int changes = random.Next(1, 4); changes > 0 && mutated.Length > 0; changes--)
            {
                mutated[random.Next(Math.Min(header, mutated.Length))] = (byte)random.Next(256);
            }

            File.WriteAllBytes(path, mutated);
            try
            {
                ModelSource source = ModelSource.Open(path);
                using Checkpoint checkpoint = source.OpenCheckpoint();
                ModelCatalog.Describe(source, checkpoint);
            }
            catch (Exception e) when (e is CheckpointException or UnsupportedModelException)
            {
                e.Message.ShouldContain("model.gguf");
            }
        }

        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }
}
