using System.Reflection;
using Octavo.Formats;
using Octavo.Formats.Hub;
using Octavo.Testing;
using Octavo.Text.Files;

namespace Octavo.Tests;

/// <summary>A program that names a model of the hub.</summary>
public sealed class HubTests
{
    [Fact]
    public void Load_ANameOnTheHub_FetchesAndQuantizesIt()
    {
        using var server = new FakeHub();
        DirectoryInfo cache = Directory.CreateTempSubdirectory("octavo-hub-");
        server.Add("org/tales", FakeFile.Of(Repository.TalesModel));
        try
        {
            Environment.SetEnvironmentVariable("HF_ENDPOINT", server.Endpoint);
            Environment.SetEnvironmentVariable("HF_HUB_CACHE", cache.FullName);
            var options = new EngineOptions { Memory = new() { KvCacheMemory = 16 << 20 } };
            var seen = new Last();
            using (var llm = LLM.Load("org/tales", quantization: "int8", options, download: seen))
            {
                llm.Model.Name.ShouldBe("org/tales");
                llm.Model.Path.ShouldStartWith(cache.FullName);
                llm.Model.Weights.Name.ShouldBe("int8");
                using var plain = Model.Open(Repository.TalesModel);
                llm.Model.CheckpointHash.ShouldBe(plain.Plan(options).Info.CheckpointHash);      // wherever it lies
                llm.Generate("The fox", new SamplingParams { MaxTokens = 2 }).Outputs[0].TokenIds.Count.ShouldBe(2);
            }

            seen.Value.Name.ShouldBe("org/tales");
            seen.Value.Done.ShouldBe(seen.Value.Total);
            Should.Throw<HubException>(() => LLM.Load("org/none")).Failure.ShouldBe(HubFailure.NotFound);
        }
        finally
        {
            Environment.SetEnvironmentVariable("HF_ENDPOINT", null);
            Environment.SetEnvironmentVariable("HF_HUB_CACHE", null);
            cache.Delete(recursive: true);
        }
    }

    [Fact]
    public void Texts_OfWhatIsFetched_AreAllThatTheTokenizersReaderReads()
    {
        string[] read =
        [
            .. typeof(TokenizerFiles).GetFields(BindingFlags.Public | BindingFlags.Static)
                .Where(field => field.IsLiteral && field.Name != nameof(TokenizerFiles.MoreChatTemplates))
                .Select(field => (string)field.GetRawConstantValue()!),
            .. TokenizerFiles.Vocabularies,
        ];
        read.Length.ShouldBeGreaterThan(12);
        read.Except(NeededFiles.Texts).ShouldBeEmpty();
        var name = new HubName("o/n");
        var template = new HubFile(TokenizerFiles.MoreChatTemplates + "/tools.jinja", null, null, null);
        var listing = new HubListing(new string('0', 40), [new HubFile("config.json", null, null, null), template]);
        NeededFiles.BeforeWeights(name, listing, ModelParts.Text).ShouldContain(template);
    }

    private sealed class Last : IProgress<DownloadProgress>
    {
        public DownloadProgress Value { get; private set; }

        public void Report(DownloadProgress value) => Value = value;
    }
}
