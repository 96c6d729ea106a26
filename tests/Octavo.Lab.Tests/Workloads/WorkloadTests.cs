using Octavo.Lab.Workloads;

namespace Octavo.Lab.Tests.Workloads;

public sealed class WorkloadTests
{
    [Theory]
    [InlineData("poisson rate=4", 4)]
    [InlineData("constant rate=4", 4)]
    [InlineData("gamma rate=4 burstiness=0.25", 4)]
    // Requests over the sum of 1 / rate: (8 - 2) / ln (8 / 2).
    [InlineData("ramp rate=2 peak=8", 4.33)]
    [InlineData("onoff rate=2 peak=6 period=7.3", 4)]
    public void Make_EachProcess_HasItsRate(string text, double rate)
    {
        IReadOnlyList<WorkloadRequest> requests = (WorkloadText.Parse(text) with { Requests = 20_000, Seed = 3 })
            .Make();
        requests.Count.ShouldBe(20_000);
        (requests.Count / requests[^1].Arrival).ShouldBe(rate, rate * 0.05);
        requests.Select(r => r.Arrival).ShouldBe(requests.Select(r => r.Arrival).Order());
    }

    [Fact]
    public void ParseTrace_NamesOnly_HasNoRequests() =>
        Should.Throw<FormatException>(() => WorkloadText.ParseTrace(["seconds,prompt,output"])).Message
            .ShouldBe("the trace has no requests");

    [Fact]
    public void Make_LogNormalLengths_HaveTheirMean()
    {
        IReadOnlyList<WorkloadRequest> requests = WorkloadText.Parse(
            "requests=20000 prompt=lognormal:161:1:100000 output=lognormal:338:0.8:100000",
            new Workload { MaxLength = 1 << 20 }).Make();
        requests.Average(r => r.PromptTokens).ShouldBe(161, 8);
        requests.Average(r => r.OutputTokens).ShouldBe(338, 12);
    }

    [Fact]
    public void Make_SameSeed_SameRequestsAndPrompts()
    {
        var workload = new Workload { Requests = 20, Seed = 9, Prefixes = 2, PrefixTokens = 8 };
        workload.Make().ShouldBe(workload.Make());
        IReadOnlyList<WorkloadRequest> requests = workload.Make();
        requests[0].MakePrompt(1000)[..8].ShouldBe(requests[2].MakePrompt(1000)[..8]);
        requests[0].MakePrompt(1000)[..8].ShouldNotBe(requests[1].MakePrompt(1000)[..8]);
        requests[0].MakePrompt(1000)[8..].Take(4).ShouldNotBe(requests[2].MakePrompt(1000)[8..].Take(4));
    }

    [Fact]
    public void Make_Conversations_BeginWithWhatWasSaid()
    {
        var workload = new Workload
        {
            Requests = 6,
            Turns = 3,
            ThinkTime = 5,
            Rate = 1000,
            Prompt = new UniformLength(10, 30),
            Output = new UniformLength(5, 9),
            Prefixes = 1,
            PrefixTokens = 12,
        };
        foreach (WorkloadRequest[] turns in workload.Make().GroupBy(r => r.Conversation).Select(g => g.ToArray()))
        {
            turns.Select(t => t.Arrival - turns[0].Arrival).ShouldBe([0, 5, 10]);
            for (int i = 1; i < turns.Length; i++)
            {
                (turns[i].PromptTokens - turns[i - 1].PromptTokens - turns[i - 1].OutputTokens).ShouldBeInRange(10, 30);
                turns[i].MakePrompt(1000)[..turns[i - 1].PromptTokens].ShouldBe(turns[i - 1].MakePrompt(1000));
            }
        }

        int[][] first = [.. workload.Make().Take(2).Select(r => r.MakePrompt(1000))];
        first[0][..12].ShouldBe(first[1][..12]);
        first[0][12..20].ShouldNotBe(first[1][12..20]);
    }

    [Fact]
    public void ParseTrace_Lines_AreRequests()
    {
        WorkloadText.ParseTrace(["arrival,prompt,output", "0.5,10,20,alice", "", "1,3,4"])
            .Select(r => (r.Arrival, r.PromptTokens, r.OutputTokens, r.Client))
            .ShouldBe([(0.5, 10, 20, "alice"), (1, 3, 4, null)]);
    }

    [Theory]
    [InlineData("possion", "possion")]
    [InlineData("rate=-1", "rate")]
    [InlineData("prompt=lognormal:1", "lognormal:1")]
    [InlineData("colour=red", "colour")]
    public void Parse_Nonsense_NamesIt(string text, string named) =>
        Should.Throw<FormatException>(() => WorkloadText.Parse(text)).Message.ShouldContain(named);

    [Fact]
    public void ParseTrace_BadLine_NamesIt() =>
        Should.Throw<FormatException>(() => WorkloadText.ParseTrace(["0,1,1", "1,x,1"])).Message
            .ShouldContain("line 2");

    [Fact]
    public void Run_BeyondItsLimit_CallsOffTheRest()
    {
        using var harness = new EngineHarness();
        WorkloadRequest[] load = [new(0, 4, 3), new(0, 4, 50), new(90, 4, 3)];
        harness.Runner.Observe = _ => harness.Clock.Advance(TimeSpan.FromSeconds(1));

        IReadOnlyList<RequestRecord> records = LoadRunner.Run(
            harness.Engine, load, 60, harness.Clock, TestContext.Current.CancellationToken, TimeSpan.FromSeconds(10));

        records.Select(r => (r.Failed, r.Tokens)).ShouldBe([(false, 3), (true, 11), (true, 0)]);
        harness.Engine.HasWork.ShouldBeFalse();
        var figures = LoadFigures.Of(records, new BatchingTargets { InterToken = TimeSpan.FromSeconds(2) });
        (figures.Seconds, figures.Completed, figures.Failed, figures.Goodput).ShouldBe((11, 1, 2, 1 / 11.0));
    }

    [Fact]
    public void Medians_OddAndEvenNumbersOfRuns_EachFigureForItself()
    {
        LoadFigures[] runs =
        [
            Run(tokens: 10, first: 3), Run(tokens: 30, first: 1), Run(tokens: 20, first: 9), Run(tokens: 100, first: 2)
        ];

        var three = LoadFigures.Medians(runs[..3]);
        (three.TokensPerSecond, three.TimeToFirstToken, three.InterTokenLatency)
            .ShouldBe((20, (3, 6, 9), (0.3, 0.6, 0.9)));
        var four = LoadFigures.Medians(runs);
        (four.TokensPerSecond, four.TimeToFirstToken.P95).ShouldBe((25, 5));
        Should.Throw<ArgumentException>(() => LoadFigures.Medians([])).ParamName.ShouldBe("runs");

        static LoadFigures Run(double tokens, double first) => new()
        {
            Seconds = 1,
            Completed = 1,
            Failed = 0,
            TokensPerSecond = tokens,
            Goodput = 1,
            GoodPart = 1,
            TimeToFirstToken = (first, 2 * first, 3 * first),
            InterTokenLatency = (first / 10, 2 * first / 10, 3 * first / 10),
        };
    }
}
