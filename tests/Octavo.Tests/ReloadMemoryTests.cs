using System.Globalization;
using Octavo.Testing;

namespace Octavo.Tests;

public sealed class ReloadMemoryTests
{
    private const string Measured = "OCTAVO_TEST_RELOADS";
    private const long MiB = 1 << 20;

    /// <summary>In a process of its own, for other tests allocate and give back meanwhile.</summary>
    [Fact]
    public async Task Dispose_ModelAfterModel_GivesTheMemoryBack()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads the resident set from /proc");
        if (Environment.GetEnvironmentVariable(Measured) is null)
        {
            await LoneProcess.RunAsync(
                typeof(ReloadMemoryTests), nameof(Dispose_ModelAfterModel_GivesTheMemoryBack), cases: 1, Measured, "1");
            return;
        }

        // The first two pay for the runtime's compiled code and the heap's first size.
        LoadAndUse();
        LoadAndUse();
        long before = Resident();
        for (int i = 0; i < 5; i++)
        {
            LoadAndUse();
        }

        (Resident() - before).ShouldBeLessThan(5 * 3 * MiB);
    }

    private static void LoadAndUse()
    {
        using (LLM llm = LLM.Load(Repository.TalesModel, options: new EngineOptions
        {
            Model =
            new() { Dtype = ModelDtype.Float32, Threads = 2 },
            Memory = new() { KvCacheMemory = 32 * MiB }
        }))
        {
            llm.Generate("Once upon a time", new SamplingParams { Temperature = 0, MaxTokens = 20 });
        }

#pragma warning disable S1215 // What the heap holds of a model that is gone is not what is measured.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
#pragma warning restore S1215
    }

    private static long Resident()
    {
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(
            line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }
}
