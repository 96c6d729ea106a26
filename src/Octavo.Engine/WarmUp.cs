using System.Runtime.CompilerServices;
using Octavo.Text;

namespace Octavo.Engine;

/// <summary>
/// Made-up requests, run by an engine of their own before the first real one, so that code is compiled, and compiled
/// well, when that comes; where all code was compiled ahead there is nothing to do. They write into the cache's blocks;
/// that is harmless while nobody has published one.
/// </summary>
internal static class WarmUp
{
    private const int Requests = 16;
    private const int PromptTokens = 8;

    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(100);     // no further step begins after it

    /// <summary>Runs them.</summary>
    /// <param name="runner">A runner that serves nobody yet; stays the caller's.</param>
    /// <param name="tokenizer">Turns tokens into text, or null.</param>
    /// <param name="options">Those of the engine that will serve.</param>
    /// <param name="time">The clock.</param>
    public static void Run(IModelRunner runner, Tokenizer? tokenizer, LlmEngineOptions options, TimeProvider time)
    {
        if (!RuntimeFeature.IsDynamicCodeCompiled)
        {
            return;
        }

        long began = time.GetTimestamp();
        // Users' hooks hear of users' requests only, and no limit of theirs holds for these.
        options = options with { Sampling = new SamplingOptions(), Admission = new AdmissionOptions() };
        using var engine = new LlmEngine(new LentRunner(runner), tokenizer, options, time);
        int output = options.MaxModelLen - PromptTokens;
        for (int i = 0; i < Requests && output > 0; i++)
        {
            int first = i * PromptTokens;
            engine.Add(
                new EngineRequest
                {
                    Id = $"warm-up {i}",
                    PromptTokenIds = [.. Enumerable.Range(first, PromptTokens).Select(t => t % runner.VocabSize)],
                    Parameters = new SamplingParams
                    {
                        Temperature = i % 2,
                        TopP = 0.9f,
                        MaxTokens = output,
                        IgnoreEos = true,
                        OutputKind = OutputKind.Delta,
                    },
                },
                _ => { });
        }

        while (time.GetElapsedTime(began) < Limit && engine.Step())
        {
        }
    }
}
