
namespace Octavo.Lab.Workloads;

/// <summary>How requests come.</summary>
internal enum ArrivalProcess
{
    /// <summary>Memoryless: exponential gaps.</summary>
    Poisson,

    /// <summary>Equal gaps.</summary>
    Constant,

    /// <summary>
    /// Gamma gaps; <see cref="Workload.Burstiness"/> is their shape, as in vLLM's benchmark: below 1 is burstier than
    /// Poisson.
    /// </summary>
    Gamma,

    /// <summary>
    /// Poisson at a rate that grows evenly from <see cref="Workload.Rate"/> to <see cref="Workload.PeakRate"/>.
    /// </summary>
    Ramp,

    /// <summary>
    /// Poisson at <see cref="Workload.Rate"/> and <see cref="Workload.PeakRate"/> in turn, each for half a period.
    /// </summary>
    OnOff,

    /// <summary>All at once.</summary>
    Saturating,
}

/// <summary>One request of a workload.</summary>
/// <param name="Arrival">Seconds from the start.</param>
/// <param name="PromptTokens">Tokens of its prompt.</param>
/// <param name="OutputTokens">Tokens that it generates.</param>
internal sealed record WorkloadRequest(double Arrival, int PromptTokens, int OutputTokens)
{
    /// <summary>Seeds its own part of the prompt.</summary>
    public int Seed { get; init; }

    /// <summary>
    /// Tokens at the prompt's start that it shares with all requests of the same <see cref="PrefixSeed"/>.
    /// </summary>
    public int PrefixTokens { get; init; }

    /// <summary>Seeds the shared part.</summary>
    public int PrefixSeed { get; init; }

    /// <summary>The conversation that it belongs to; null is none of more than one request.</summary>
    public int? Conversation { get; init; }

    /// <summary>Whose request it is; null is nobody in particular.</summary>
    public string? Client { get; init; }

    /// <summary>Lower goes first.</summary>
    public int Priority { get; init; }

    /// <summary>The prompt: always the same for the same seeds.</summary>
    public int[] MakePrompt(int vocabSize)
    {
        int[] prompt = new int[PromptTokens];
        int shared = Math.Min(PrefixTokens, PromptTokens);
        Fill(prompt.AsSpan(0, shared), PrefixSeed, vocabSize);
        Fill(prompt.AsSpan(shared), Seed, vocabSize);
        return prompt;
    }

    private static void Fill(Span<int> tokens, int seed, int vocabSize)
    {
        Random random = new Random(seed);
        foreach (ref int token in tokens)
        {
            token = random.Next(vocabSize);
        }
    }
}

/// <summary>
/// A kind of load: when requests come and how long they are. The same workload and seed make the same requests.
/// </summary>
internal sealed record Workload
{
    /// <summary>How requests come.</summary>
    public ArrivalProcess Arrivals { get; init; }

    /// <summary>Requests a second.</summary>
    public double Rate { get; init; } = 1;

    /// <summary>The other rate of <see cref="ArrivalProcess.Ramp"/> and <see cref="ArrivalProcess.OnOff"/>.</summary>
    public double PeakRate { get; init; } = 10;

    /// <summary>Seconds of a period of <see cref="ArrivalProcess.OnOff"/>.</summary>
    public double Period { get; init; } = 20;

    /// <summary>The shape of <see cref="ArrivalProcess.Gamma"/>.</summary>
    public double Burstiness { get; init; } = 0.25;

    /// <summary>How many requests.</summary>
    public int Requests { get; init; } = 100;

    /// <summary>Prompts; by default as ShareGPT's in vLLM's paper (a mean of 161 tokens).</summary>
    public LengthDistribution Prompt { get; init; } = new LogNormalLength(161, 1, 1024);

    /// <summary>Outputs; by default as ShareGPT's in vLLM's paper (a mean of 338 tokens).</summary>
    public LengthDistribution Output { get; init; } = new LogNormalLength(338, 1, 1024);

    /// <summary>Of all prompts, the part that is <see cref="LongPrompt"/> instead.</summary>
    public double LongPart { get; init; }

    /// <summary>Prompts of the long part.</summary>
    public LengthDistribution LongPrompt { get; init; } = new UniformLength(2048, 2048);

    /// <summary>So many different beginnings are shared among the prompts; 0 shares none.</summary>
    public int Prefixes { get; init; }

    /// <summary>Tokens of a shared beginning, added to the prompt.</summary>
    public int PrefixTokens { get; init; } = 128;

    /// <summary>
    /// Requests of a conversation; each begins with all before it: prompts, and as many tokens as were answered.
    /// </summary>
    public int Turns { get; init; } = 1;

    /// <summary>Seconds from a turn's arrival to the next one's.</summary>
    public double ThinkTime { get; init; } = 10;

    /// <summary>So many clients take turns.</summary>
    public int Clients { get; init; } = 1;

    /// <summary>The longest sequence, prompt and output; longer prompts and outputs are cut.</summary>
    public int MaxLength { get; init; } = 4096;

    /// <summary>Seeds all draws.</summary>
    public int Seed { get; init; }

    /// <summary>A trace to replay instead of drawing; null draws.</summary>
    public IReadOnlyList<WorkloadRequest>? Trace { get; init; }

    /// <summary>The requests, in order of arrival.</summary>
    public IReadOnlyList<WorkloadRequest> Make()
    {
        if (Trace is { } trace)
        {
            return [.. trace.Select(Cut).OrderBy(r => r.Arrival)];
        }

        Random random = new Random(Seed);
        List<WorkloadRequest> requests = [];
        double now = 0;
        int conversations = 0;
        while (requests.Count < Requests)
        {
            now += conversations == 0 ? 0 : Gap(random, now, conversations);
            AddConversation(requests, random, now, conversations++);
        }

        return [.. requests.OrderBy(r => r.Arrival)];
    }

    private void AddConversation(List<WorkloadRequest> requests, Random random, double now, int index)
    {
        int prefix = Prefixes > 0 ? PrefixTokens : 0;
        int history = 0;
        int seed = random.Next();
        for (int turn = 0; turn < Turns && requests.Count < Requests; turn++)
        {
            int own = (random.NextDouble() < LongPart ? LongPrompt : Prompt).Draw(random);
            int output = Output.Draw(random);
            int fresh = random.Next();

            // All turns draw from one seed, so that each begins with all of the one before. Where its answer, which
            // nobody knows, would stand, there are as many other tokens.
            requests.Add(Cut(new WorkloadRequest(now + (turn * ThinkTime), prefix + history + own, output)
            {
                Seed = Turns > 1 ? seed : fresh,
                Conversation = Turns > 1 ? seed : null,
                PrefixTokens = prefix,
                PrefixSeed = Prefixes > 0 ? index % Prefixes : seed,
                Client = Clients > 1 ? $"client-{index % Clients}" : null,
            }));
            history += own + output;
        }
    }

    private WorkloadRequest Cut(WorkloadRequest r)
    {
        int prompt = Math.Clamp(r.PromptTokens, 1, MaxLength - 1);
        return r with { PromptTokens = prompt, OutputTokens = Math.Clamp(r.OutputTokens, 1, MaxLength - prompt) };
    }

    private double Gap(Random random, double now, int index) => Arrivals switch
    {
        ArrivalProcess.Constant => 1 / Rate,
        ArrivalProcess.Gamma => Draws.Gamma(random, Burstiness) / (Burstiness * Rate),
        ArrivalProcess.Ramp =>
            Draws.Exponential(random) / (Rate + ((PeakRate - Rate) * Math.Min(1, (double)index * Turns / Requests))),
        ArrivalProcess.OnOff => OnOffGap(random, now),
        ArrivalProcess.Saturating => 0,
        ArrivalProcess.Poisson => Draws.Exponential(random) / Rate,
    };

    // Work that is left when the rate changes goes on at the new rate, as a memoryless process does.
    private double OnOffGap(Random random, double now)
    {
        double work = Draws.Exponential(random);
        double at = now;
        long phase = (long)(now / (Period / 2));
        while (true)
        {
            double rate = phase % 2 == 0 ? Rate : PeakRate;
            double end = Math.Max(at, (phase + 1) * (Period / 2));
            if (work <= rate * (end - at))
            {
                return at + (work / rate) - now;
            }

            work -= rate * (end - at);
            at = end;
            phase++;
        }
    }
}
