using Octavo.Cpu;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Quantization.Evaluation;
using Octavo.Testing;
using Octavo.Text;

namespace Octavo.Quantization.Tests;

/// <summary>The bundled model and stories, loaded for a test.</summary>
internal static class Bench
{
    public static string Stories(string name) => Path.Combine(Repository.Root!, "models", "stories", name);

    public static EvaluatedModel Load(
        string directory, string weights = "float32", KvCacheFormat cache = KvCacheFormat.Float32, int length = 512)
    {
        ModelSource model = ModelSource.Open(directory);
        Checkpoint checkpoint = model.OpenCheckpoint();
        ModelDescription description = ModelCatalog.Describe(model, checkpoint);
        IModelPlan plan = new CpuBackend().Plan(description.Spec, checkpoint, new PlanRequest
        {
            Weights = Schemes.Named(weights),
            Head = WeightScheme.Float32,
            KvCache = cache,
            MaxModelLen = length,
            MaxNumBatchedTokens = 512,
        });
        return EvaluatedModel.Of(Path.GetFileName(directory), description, checkpoint, plan.Load(numBlocks: 32));
    }

    public static IReadOnlyList<TextWindow> Windows(string file, int documents = int.MaxValue)
    {
        IReadOnlyList<int[]> ids =
            TextCorpus.Tokenize(TextCorpus.Read(Stories(file)), Tokenizer.Load(Repository.TalesModel), 0);
        return TextWindow.Cut([.. ids.Take(documents)], 512, 511);
    }
}
