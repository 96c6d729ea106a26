using System.Diagnostics;
using System.Globalization;
using Octavo.Cli.Terminal;
using Octavo.Engine;

namespace Octavo.Cli.Generate;

/// <summary>One run of <c>octavo generate</c> over a loaded engine: makes texts and prints them.</summary>
/// <param name="engine">The engine.</param>
/// <param name="loadTime">How long loading took.</param>
internal sealed class GenerateRun(AsyncEngine engine, TimeSpan loadTime)
{
    private readonly long _started = Stopwatch.GetTimestamp();

    /// <summary>Prints texts, each after its prompt; a single one as it comes.</summary>
    public async Task PrintAsync(Prompt[] prompts, SamplingParams sampling, CancellationToken cancellation)
    {
        RequestOutput[] outputs;
        if (prompts.Length == 1 && sampling.N == 1)
        {
            outputs = [await StreamAsync(prompts[0], sampling, cancellation).ConfigureAwait(false)];
        }
        else
        {
            // All are submitted before the first is awaited, so they share the engine's steps.
            Task<RequestOutput>[] running =
                [.. Prepare(prompts, sampling).Select(request => engine.FinishAsync(request, cancellation))];
            for (int i = 0; i < running.Length; i++)
            {
                RequestOutput output = await running[i].ConfigureAwait(false);
                PrintTexts(prompts[i], output.Outputs.Select(TextOf), separate: i > 0);
            }

            outputs = await Task.WhenAll(running).ConfigureAwait(false);
        }

        Summarize(outputs);
    }

    /// <summary>Prints one JSON object with everything that is known.</summary>
    public async Task WriteJsonAsync(Prompt[] prompts, SamplingParams sampling, CancellationToken cancellation)
    {
        IEnumerable<Task<RequestOutput>> running =
            Prepare(prompts, sampling).Select(request => engine.FinishAsync(request, cancellation));
        RequestOutput[] outputs = await Task.WhenAll(running).ConfigureAwait(false);
        GenerateJson.Write(engine, outputs, loadTime, Stopwatch.GetElapsedTime(_started));
    }

    /// <summary>Searches with beams and prints what they found, best first.</summary>
    public async Task SearchAsync(Prompt[] prompts, BeamSearchParams beams, bool json, CancellationToken cancellation)
    {
        Prepare(prompts, new SamplingParams { Detokenize = false });
        BeamSearchOutput[] found = await Task.WhenAll(
            prompts.Select(p => engine.BeamSearchAsync(p, beams, cancellation)))
            .ConfigureAwait(false);
        if (json)
        {
            RequestOutput[] outputs = [.. found.Select((f, i) => f.ToRequestOutput($"beam-{i}", prompts[i].Text))];
            GenerateJson.Write(engine, outputs, loadTime, Stopwatch.GetElapsedTime(_started));
            return;
        }

        for (int i = 0; i < found.Length; i++)
        {
            PrintTexts(
                prompts[i],
                found[i].Sequences.Select(s => engine.Tokenizer is null ? TokenIds.Format(s.TokenIds) : s.Text),
                separate: i > 0);
        }
    }

    /// <summary>
    /// Checks all prompts before the first is submitted: nothing is printed of a command that cannot be done.
    /// </summary>
    private ValidatedRequest[] Prepare(Prompt[] prompts, SamplingParams sampling)
    {
        var requests = new ValidatedRequest[prompts.Length];
        for (int i = 0; i < prompts.Length; i++)
        {
            try
            {
                requests[i] = engine.PrepareWhole(prompts[i], sampling);
            }
            catch (InvalidRequestException e) when (e.Parameter == nameof(Prompt) && prompts.Length > 1)
            {
                throw new InvalidRequestException(e.Parameter, $"prompt {i + 1}: {e.Fault}")
                {
                    IsContextLength = e.IsContextLength,
                };
            }
        }

        return requests;
    }

    private async Task<RequestOutput> StreamAsync(
        Prompt prompt, SamplingParams sampling, CancellationToken cancellation)
    {
        IAsyncEnumerable<RequestOutput> deltas = engine.StreamAsync(prompt, sampling, null, cancellation);
        await Stdio.Out.WriteAsync(Stdio.Dim(Shown(prompt))).ConfigureAwait(false);
        await Stdio.Out.FlushAsync(cancellation).ConfigureAwait(false);
        RequestOutput? last = null;
        List<int> tokens = [];
        await foreach (RequestOutput delta in deltas.ConfigureAwait(false))
        {
            last = delta;
            foreach (CompletionOutput piece in delta.Outputs)
            {
                tokens.AddRange(piece.TokenIds);
                await Stdio.Out.WriteAsync(TextOf(piece)).ConfigureAwait(false);
            }

            await Stdio.Out.FlushAsync(cancellation).ConfigureAwait(false);
        }

        await Stdio.Out.WriteLineAsync().ConfigureAwait(false);
        await Stdio.Out.FlushAsync(cancellation).ConfigureAwait(false);
        return last! with { Outputs = [new CompletionOutput { Index = 0, Text = string.Empty, TokenIds = tokens }] };
    }

    private static void PrintTexts(Prompt prompt, IEnumerable<string> texts, bool separate)
    {
        foreach (string text in texts)
        {
            if (separate)
            {
                Stdio.Out.WriteLine();
            }

            Stdio.Out.WriteLine(Stdio.Dim(Shown(prompt)) + text);
            separate = true;
        }

        Stdio.Out.Flush();
    }

    private void Summarize(RequestOutput[] outputs)
    {
        if (!Stdio.IsInteractive)
        {
            return;
        }

        int prompt = outputs.Sum(o => o.PromptTokenIds.Count);
        int made = outputs.Sum(o => o.Outputs.Sum(c => c.TokenIds.Count));
        TimeSpan elapsed = Stopwatch.GetElapsedTime(_started);
        TimeSpan first = outputs.Min(o => o.Timings.FirstToken);
        Stdio.Error.WriteLine(Stdio.DimError(string.Create(
            CultureInfo.InvariantCulture,
            $"{prompt} prompt tokens, {made} new tokens, {made / elapsed.TotalSeconds:0.0} tokens/s, first after {first.TotalMilliseconds:0} ms, loaded in {loadTime.TotalSeconds:0.00} s")));
    }

    private static string Shown(Prompt prompt) => prompt.Text ?? TokenIds.Format(prompt.TokenIds!).TrimStart();

    private string TextOf(CompletionOutput output) =>
        engine.Tokenizer is null ? TokenIds.Format(output.TokenIds) : output.Text;
}
