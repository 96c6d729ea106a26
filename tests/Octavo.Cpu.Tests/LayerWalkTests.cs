using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Octavo.Cpu.Linears;
using Octavo.Cpu.Sublayers;
using Octavo.Cpu.Weights;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Cpu.Tests;

/// <summary>The walk by layers, which calibration and evaluation observe, is the engine's.</summary>
public sealed unsafe class LayerWalkTests
{
    private const int Tokens = 37;
    private const int Hidden = 24;
    private const int Layers = 3;

    /// <summary>
    /// Models that use every field of the spec between them, so that none can be forgotten by one of the two.
    /// </summary>
    public static TheoryData<string> Models =>
    [
        "rotary, windows, scale, caps, biases, gated", "alibi, norms after, plain", "learned, projected, untied head",
        "mixed: no attention, two, one", "all MLP", "all attention",
        "rotary, normed heads, outputs normed, scaled, sinks, warm, SquaredRelu", "beside each other, Gelu, gated",
        "normed heads after, TanhGelu", "learned curve, XIelu", "rotary, shapes, clipped, keys as values, sums weighed",
    ];

    private static PlanRequest Request => new()
    {
        Weights = WeightScheme.Float32,
        KvCache = KvCacheFormat.Float32,
        MaxModelLen = 64,
        MaxNumBatchedTokens = 64,
        Threads = 3,
    };

    [Theory]
    [MemberData(nameof(Models))]
    public void Run_LayerByLayer_GivesTheEnginesBits(string model)
    {
        DecoderSpec spec = SpecOf(model);
        using Checkpoint checkpoint = RandomWeights(spec);
        int[] ids = [.. Enumerable.Range(0, Tokens).Select(i => (i * 7) % spec.VocabSize)];
        float[] expected = InTwoSteps(spec, checkpoint, ids);

        float[] hidden = new float[Tokens * Hidden];
        float[] logits;
        var source = new CheckpointSource(checkpoint);
        using (var walk = new LayerWalk(spec, Tokens + 5))
        using (Packed<Embedding> embedding = walk.PackEmbedding(source))
        using (Packed<Head> head = walk.PackHead(source))
        {
            fixed (float* h = hidden)
            {
                walk.Embed(embedding, ids, h);
                foreach (LayerSpec layer in spec.Layers)
                {
                    using Packed<Sublayer[]> packed = walk.PackLayer(layer, source);
                    walk.Run(packed.Part, h, Tokens);
                }

                logits = walk.Logits(head, h, Tokens);
            }
        }

        expected.ShouldAllBe(x => float.IsFinite(x));
        logits.Select(BitConverter.SingleToInt32Bits).ShouldBe(expected.Select(BitConverter.SingleToInt32Bits));
    }

    /// <summary>An evaluation walks with the sublayers that a runner has made, and with buffers of its own.</summary>
    [Fact]
    public void Run_SublayersOfARunnerMadeForShorterSteps_GivesTheSameBits()
    {
        DecoderSpec spec = SpecOf(Models.First());
        using Checkpoint checkpoint = RandomWeights(spec);
        PlanRequest request = Request with { MaxNumBatchedTokens = 4 };
        using var runner = new CpuModelRunner(new CpuPlan(spec, checkpoint, request), numBlocks: 8);
        using var walk = new LayerWalk(spec, Tokens);
        using Packed<Sublayer[]> layer = walk.PackLayer(spec.Layers[0], new CheckpointSource(checkpoint));
        var random = new Random(1);
        float[] expected = [.. Enumerable.Range(0, Tokens * Hidden).Select(_ => random.NextSingle())];
        float[] hidden = [.. expected];

        fixed (float* x = expected, h = hidden)
        {
            walk.Run(layer.Part, x, Tokens);
            walk.Run(runner.Layers[0], h, Tokens);
        }

        hidden.Select(BitConverter.SingleToInt32Bits).ShouldBe(expected.Select(BitConverter.SingleToInt32Bits));
    }

    /// <summary>A field that none of the models sets is one that either walk could forget.</summary>
    [Fact]
    public void Models_BetweenThem_UseEveryField()
    {
        DecoderSpec[] specs = [.. Models.Select(model => SpecOf(model.Data))];
        PartSpec[] parts = [.. specs.SelectMany(spec => spec.Layers).SelectMany(layer => layer.Parts)];
        // What layers are given beside the residual stream, and caches of others, a walk refuses.
        Constant(specs).ShouldBe([nameof(DecoderSpec.LayerInputs)]);
        foreach (IGrouping<Type, PartSpec> kind in parts.GroupBy(part => part.GetType()))
        {
            // The scales are an E4M3 cache's, and this one is float32.
            Constant([.. kind]).ShouldBe(
                kind.Key == typeof(AttentionSpec)
                    ? [nameof(AttentionSpec.CacheOf), nameof(AttentionSpec.CacheScales)]
                    : []);
        }

        parts.Select(part => part.GetType()).Distinct()
            .ShouldBe(
                typeof(PartSpec).Assembly.GetTypes()
                    .Where(t => t.IsSubclassOf(typeof(PartSpec)) && t != typeof(LayerInputSpec)),
                ignoreOrder: true);
        specs.SelectMany(spec => spec.Norms).Select(norm => norm.Kind).Distinct()
            .ShouldBe(Enum.GetValues<NormKind>(), ignoreOrder: true);
        specs.SelectMany(spec => spec.FeedForwards).Select(mlp => mlp.Activation).Distinct()
            .ShouldBe(Enum.GetValues<Activation>(), ignoreOrder: true);

        // Optional fields that are the same, set or not, in all of them.
        static IEnumerable<string> Constant<T>(T[] all)
            where T : notnull =>
            from property in all[0].GetType().GetProperties()
            where property.CanWrite && !property.IsDefined(typeof(RequiredMemberAttribute), inherit: false)
            where all.Select(one => property.GetValue(one)).Distinct().Count() < 2
            select property.Name;
    }

    [Fact]
    public void Run_WithATap_SeesEachMatrixsInputs()
    {
        DecoderSpec spec = SpecOf(Models.First());
        using Checkpoint checkpoint = RandomWeights(spec);
        using var walk = new LayerWalk(spec, Tokens);
        using Packed<Sublayer[]> layer = walk.PackLayer(spec.Layers[0], new CheckpointSource(checkpoint));
        var random = new Random(1);
        float[] hidden = [.. Enumerable.Range(0, Tokens * Hidden).Select(_ => random.NextSingle())];
        float[] normed = Normed(
            hidden[(3 * Hidden)..(4 * Hidden)],
            new CheckpointSource(checkpoint).Norm(spec.Layers[0].Norms.First()).Weight);
        var tap = new Tap();

        fixed (float* h = hidden)
        {
            walk.Run(layer.Part, (float*)h, Tokens, tap);
        }

        // Every row of every linear layer once, and the first one's are the norm of what went in.
        Linear[] linears = [.. layer.Part.SelectMany(s => s.Linears).Select(l => l.Linear)];
        tap.Rows.Keys.Order()
            .ShouldBe(linears.SelectMany((_, l) => Enumerable.Range(0, Tokens).Select(row => (l, row))).Order());
        layer.Part.SelectMany(s => s.Linears).Select(l => l.Spec.Role)
            .ShouldBe([LinearRole.QueryKeyValue, LinearRole.AttentionOutput, LinearRole.GateUp, LinearRole.Down]);
        tap.Rows[(0, 3)].ShouldBe(normed, 1e-5);
        tap.Linears.ShouldBe(linears);
    }

    private static float[] Normed(float[] x, float[] weight)
    {
        double root = Math.Sqrt(x.Sum(v => (double)v * v / x.Length) + 1e-5);
        return [.. x.Select((v, i) => (float)(v / root * weight[i]))];
    }

    private static float[] InTwoSteps(DecoderSpec spec, Checkpoint checkpoint, int[] ids)
    {
        var plan = new CpuPlan(spec, checkpoint, Request);
        using var runner = new CpuModelRunner(plan, 8 * plan.CacheGroups.Count);
        int[] table =
        [
            .. Enumerable.Range(0, plan.CacheGroups.Count).SelectMany(g => new[] { 5, 2, 7 }.Select(b => b + (8 * g))),
        ];
        var batch = new StepBatch(runner);
        float[] logits = new float[Tokens * spec.VocabSize];
        const int First = 20;
        foreach ((int begin, int end) in new[] { (0, First), (First, Tokens) })
        {
            batch.Clear();
            batch.AddSequence(ids.AsSpan(begin..end), begin, table, end - begin);
            runner.Run(batch, logits.AsSpan((begin * spec.VocabSize)..(end * spec.VocabSize)));
        }

        return logits;
    }

    /// <summary>
    /// Layers that share a cache, or are given inputs of their own, need more than the residual stream.
    /// </summary>
    [Fact]
    public void LayerWalk_SharedCaches_AreRefused()
    {
        DecoderSpec spec = SpecOf(Models.First()).MapAttention(
            (i, attention) => i == 2 ? attention with { CacheOf = 0, Key = null, Value = null } : attention);
        Should.Throw<EngineConfigurationException>(() => new LayerWalk(spec, Tokens)).Message
            .ShouldContain("share keys and values");
    }

    internal static DecoderSpec SpecOf(string model)
    {
        bool projected = model.Contains("projected"),
            after = model.Contains("after"),
            biases = model.Contains("biases");
        int kvHeads = after ? 6 : 2;
        NormKind kind = after ? NormKind.Layer : NormKind.Rms;
        PositionSpec? positions = model.Contains("rotary") ? new RotaryPositions(1000, new LinearRopeScaling(2))
            : model.Contains("alibi") ? new AlibiPositions() : null;
        return new DecoderSpec
        {
            Architecture = model,
            VocabSize = 50,
            HiddenSize = Hidden,
            EmbeddingSize = projected ? 20 : Hidden,
            MaxPositionEmbeddings = 64,
            TokenEmbedding = "embedding",
            LearnedPositions = model.Contains("learned") ? new LearnedPositions("positions", 2) : null,
            ProjectIn = projected ? new LinearTensors("in", "in.bias") : null,
            ProjectOut = projected ? new LinearTensors("out", "out.bias") : null,
            Layers = [.. Enumerable.Range(0, Layers).Select(Layer)],
            FinalNorm = after ? null : Norm("norm"),
            EmbeddingScale = model.Contains("scaled") ? 3 : 1,
            EmbeddingNorm = model.Contains("scaled") ? Norm("embedding.norm") : null,
            LogitsScale = model.Contains("scaled") ? 0.5f : 1,
            LogitsSoftCap = model.Contains("scaled") ? 4 : null,
            OutputHead = model.Contains("untied") ? new LinearTensors("head", "head.bias") : null,
        };

        LayerSpec Layer(int i) => new((model.Contains("mixed"), i) switch
        {
            (true, 0) => [Mlp(i)],
            (true, 1) => [Attention(i, "a"), Attention(i, "b"), Mlp(i)],
            _ when model == "all MLP" => [Mlp(i)],
            _ when model == "all attention" => [Attention(i, string.Empty)],
            _ => [Attention(i, string.Empty), Mlp(i)],
        });

        AttentionSpec Attention(int i, string which) => new()
        {
            Width = Hidden,
            NormBefore = after ? null : Norm($"{i}.norm1{which}"),
            NormOutput = model.Contains("outputs normed") ? Norm($"{i}.norm1{which}.out") : null,
            NormAfter = after ? Norm($"{i}.norm1{which}") : null,
            ResidualScale = model.Contains("scaled") ? 0.7f : 1,
            QueryNorm = model.Contains("heads") ? Norm($"{i}.q{which}.norm") with { Width = 16, Heads = 6 } : null,
            KeyNorm = model.Contains("heads") ? Norm($"{i}.k{which}.norm") with { Width = kvHeads * 16 } : null,
            ValueNorm = model.Contains("as values") ? Norm($"{i}.v{which}.norm") with { Width = HeadDim(i) } : null,
            SumScale = model.Contains("weighed") ? $"{i}.sum{which}" : null,
            Clip = model.Contains("clipped") ? 0.8f : null,
            NormsAfterRotation = model.Contains("heads after"),
            Temperature = model.Contains("warm") ? new QueryTemperature(0.3, 7) : null,
            Sinks = model.Contains("sinks") ? $"{i}.sinks{which}" : null,
            ReadsLayerInput = which == "b",
            NumHeads = 6,
            NumKvHeads = kvHeads,
            HeadDim = HeadDim(i),
            Positions = positions,
            Scale = model.Contains("scale") ? 0.3f : null,
            SoftCap = model.Contains("caps") ? 1.5f : null,
            Window = model.Contains("windows") && i != 1 ? 5 + i : null,
            Query = Linear($"{i}.q{which}"),
            Key = Linear($"{i}.k{which}"),
            Value = model.Contains("as values") && i > 0 ? null : Linear($"{i}.v{which}"),
            Output = Linear($"{i}.o{which}"),
        };

        FeedForwardSpec Mlp(int i) => new()
        {
            Width = Hidden,
            NormBefore = after ? null : Norm($"{i}.norm2"),
            NormOutput = model.Contains("outputs normed") ? Norm($"{i}.norm2.out") with { WeightOffset = 1 } : null,
            NormAfter = after ? Norm($"{i}.norm2") : null,
            ResidualScale = model.Contains("scaled") ? 0.7f : 1,
            SumScale = model.Contains("weighed") ? $"{i}.sum2" : null,
            ReadsLayerInput = model.Contains("beside"),
            IntermediateSize = 40,
            Activation = Enum.GetValues<Activation>()
                .Where(activation => model.EndsWith($"{activation}") || model.Contains($"{activation},"))
                .DefaultIfEmpty(after ? Activation.Relu : Activation.Silu).Max(),
            ActivationTensors = model.Contains("curve") ? new XIeluTensors($"{i}.p", $"{i}.n") : null,
            Gate = model.Contains("gated") ? Linear($"{i}.gate") : null,
            Up = Linear($"{i}.up"),
            Down = Linear($"{i}.down"),
        };

        int HeadDim(int i) => model.Contains("shapes") && i == 1 ? 24 : 16;

        LinearTensors Linear(string name) => new(name, biases ? $"{name}.bias" : null);

        NormSpec Norm(string name) =>
            new(kind, new NormTensors(name, kind == NormKind.Layer ? $"{name}.bias" : null), 1e-5f, Hidden);
    }

    internal static Checkpoint RandomWeights(DecoderSpec spec)
    {
        var random = new Random(9);
        List<TensorSource> tensors = [.. spec.Tables.Select(t => Tensor(t.Name, 1, t.Rows, t.Columns))];
        foreach (MatrixSpec matrix in spec.Linears.SelectMany(l => l.Matrices))
        {
            tensors.Add(Tensor(matrix.Names.Weight, 0.4f, matrix.Rows, matrix.Columns));
            tensors.AddRange(matrix.Names.Bias is { } bias ? [Tensor(bias, 0.3f, matrix.Rows)] : []);
        }

        tensors.AddRange(spec.Vectors.Select(vector => Tensor(vector.Name, 0.5f, vector.Width)));
        foreach (NormSpec norm in spec.Norms)
        {
            tensors.Add(Tensor(norm.Names.Weight!, 1, norm.Heads * norm.Width));
            tensors.AddRange(norm.Names.Bias is { } bias ? [Tensor(bias, 0.3f, norm.Width)] : []);
        }

        return Checkpoint.InMemory(spec.Architecture, tensors);

        TensorSource Tensor(string name, float amplitude, params long[] shape)
        {
            float[] values = [.. Enumerable.Range(0, (int)shape.Aggregate((a, b) => a * b))
                .Select(_ => ((random.NextSingle() * 2) - 1) * amplitude)];
            return new TensorSource(name, TensorType.Float32, shape, MemoryMarshal.AsBytes(values.AsSpan()).ToArray());
        }
    }

    /// <summary>Numbers linear layers in the order they are seen.</summary>
    private sealed class Tap : IInputTap
    {
        private readonly List<Linear> _linears = [];

        public IReadOnlyList<Linear> Linears => _linears;

        public Dictionary<(int Linear, int Row), float[]> Rows { get; } = [];

        public void Record(Linear linear, int row, float* input)
        {
            lock (_linears)
            {
                if (!_linears.Contains(linear))
                {
                    _linears.Add(linear);
                }

                Rows.Add((_linears.IndexOf(linear), row), new ReadOnlySpan<float>(input, linear.InFeatures).ToArray());
            }
        }
    }
}
