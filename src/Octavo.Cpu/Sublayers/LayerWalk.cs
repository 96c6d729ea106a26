using Octavo.Cpu.Cache;
using Octavo.Cpu.Linears;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Threading;
using Octavo.Cpu.Weights;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Cpu.Sublayers;

/// <summary>
/// A layer, or what stands before or behind all layers, packed by itself and given back when it is disposed of.
/// </summary>
internal sealed class Packed<T>(T part, WeightStore weights) : IDisposable
{
    public T Part => part;

    /// <summary>The linear layers of it.</summary>
    public IEnumerable<Linear> Linears => weights.Linears;

    public void Dispose() => weights.Dispose();
}

/// <summary>
/// Takes whole sequences through a decoder layer by layer, so that only one layer's weights need to be at hand, by the
/// sublayers of <see cref="Forward"/>: what they give is the same to the bit. Keys and values are float32.
/// </summary>
internal sealed unsafe class LayerWalk : ITeamWork, IDisposable
{
    private const int BlockSize = 16;
    private const string Why = "its layers share keys and values, or are given inputs of their own";

    private readonly DecoderSpec _spec;
    private readonly InstructionSet _isa = ProcessorFeatures.Selected;
    private readonly DisposableStack _owned = new();
    private readonly ThreadTeam _team;
    private readonly StepState _step;
    private readonly StepBatch _batch;
    private readonly int[] _blocks;                        // of each cache group, one behind the other
    private readonly Dictionary<(int, int, int), int> _cacheLayers;
    private Action<TeamMember> _work = _ => { };

    /// <summary>Prepares for sequences of so many tokens at most.</summary>
    /// <exception cref="EngineConfigurationException">
    /// A layer needs more than the residual stream and its weights.
    /// </exception>
    public LayerWalk(DecoderSpec spec, int maxTokens)
    {
        if (spec.LayerInputs is not null || spec.Attentions.Any(attention => attention.CacheOf is not null))
        {
            throw new EngineConfigurationException(
                $"{spec.Architecture} cannot be calibrated, nor compared layer by layer: {Why}");
        }

        _spec = spec;

        // Of one layer of each shape: every layer's, one after another.
        AttentionSpec[] shapes =
        [
            .. spec.Attentions.DistinctBy(attention => attention.Shape)
                .Select(attention => attention with { Window = null }),
        ];
        _cacheLayers = shapes.Index().ToDictionary(shape => shape.Item.Shape, shape => shape.Index);
        int groups = CacheGroup.Of(shapes).Count;
        _batch = new StepBatch(BlockSize, groups);
        _blocks = [.. Enumerable.Range(0, (maxTokens + BlockSize - 1) / BlockSize * groups)];
        try
        {
            KvCache cache = _owned.Add(new KvCache(shapes, KvCacheFormat.Float32, _blocks.Length, BlockSize));
            _team = _owned.Add(ThreadTeam.Lease(TeamSize.Default)).Team;
            _step = _owned.Add(new StepState(spec, cache, _team, _isa, maxTokens, maxTokens));
        }
        catch
        {
            _owned.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Packs what stands before the layers: matrices that the source does not store quantized in float32.
    /// </summary>
    public Packed<Embedding> PackEmbedding(IWeightSource source) =>
        Pack(_spec.InputProjection is { } p ? [p] : [], source, w => new Embedding(_spec, w));

    /// <summary>Packs a layer, in the same way.</summary>
    public Packed<Sublayer[]> PackLayer(LayerSpec layer, IWeightSource source) =>
        Pack(layer.Linears, source, w => Sublayer.Make(layer, w, _step));

    /// <summary>Packs what stands behind the layers, in float32.</summary>
    public Packed<Head> PackHead(IWeightSource source)
    {
        var plan = new WeightPlan(_spec.WithoutLayers(), source, WeightScheme.Float32, WeightScheme.Float32, _isa);
        return Make(new WeightStore(source, plan, _isa), w => new Head(_spec, w));
    }

    /// <summary>Writes the residual stream that a sequence begins with, <c>[tokens][hidden]</c>.</summary>
    public void Embed(Packed<Embedding> embedding, ReadOnlySpan<int> ids, float* hidden)
    {
        Begin(embedding.Linears, ids, logitsRows: 0);
        Run(member => embedding.Part.Run(_step, member));
        Unload(hidden, ids.Length);
    }

    /// <summary>Takes a sequence through a layer, in place.</summary>
    /// <param name="layer">The layer's sublayers.</param>
    /// <param name="hidden">The residual stream, <c>[tokens][hidden]</c>.</param>
    /// <param name="tokens">Tokens.</param>
    /// <param name="tap">Sees the inputs of the matrices.</param>
    public void Run(Sublayer[] layer, float* hidden, int tokens, IInputTap? tap = null)
    {
        Begin(layer.SelectMany(s => s.Linears).Select(l => l.Linear), new int[tokens], logitsRows: 0);
        Load(hidden, tokens);
        _step.Tap = tap;
        Run(member =>
        {
            foreach (Sublayer sublayer in layer)
            {
                sublayer.Run(_step, sublayer is AttentionSublayer a ? _cacheLayers[a.Shape] : 0, member);
            }
        });
        _step.Tap = null;
        Unload(hidden, tokens);
    }

    /// <summary>Computes a sequence's logits, <c>[tokens][vocabulary]</c>.</summary>
    public float[] Logits(Packed<Head> head, float* hidden, int tokens)
    {
        float[] logits = new float[(long)tokens * _spec.VocabSize];
        Begin(head.Linears, new int[tokens], tokens);
        Load(hidden, tokens);
        fixed (float* output = logits)
        {
            float* y = output;
            Run(member => head.Part.Run(_step, y, member));
        }

        return logits;
    }

    void ITeamWork.Run(TeamMember member) => _work(member);

    public void Dispose() => _owned.Dispose();

    private Packed<T> Pack<T>(IEnumerable<LinearSpec> linears, IWeightSource source, Func<WeightStore, T> make) =>
        Make(new WeightStore(source, new WeightPlan(linears, source, WeightScheme.Float32, _isa), _isa), make);

    private static Packed<T> Make<T>(WeightStore weights, Func<WeightStore, T> make)
    {
        try
        {
            return new Packed<T>(make(weights), weights);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    private void Begin(IEnumerable<Linear> linears, ReadOnlySpan<int> ids, int logitsRows)
    {
        _batch.Clear();
        _batch.AddSequence(ids, 0, _blocks, logitsRows);
        _step.MakeRoomFor(linears);
        _step.Begin(_batch);
    }

    private void Run(Action<TeamMember> work)
    {
        _work = work;
        _team.Run(this);
    }

    private void Load(float* hidden, int tokens)
    {
        for (int row = 0; row < tokens; row++)
        {
            new ReadOnlySpan<float>(hidden + ((long)row * _spec.HiddenSize), _spec.HiddenSize).CopyTo(
                new Span<float>(_step.Hidden.Row(row), _spec.HiddenSize));
        }
    }

    private void Unload(float* hidden, int tokens)
    {
        for (int row = 0; row < tokens; row++)
        {
            new ReadOnlySpan<float>(_step.Hidden.Row(row), _spec.HiddenSize).CopyTo(
                new Span<float>(hidden + ((long)row * _spec.HiddenSize), _spec.HiddenSize));
        }
    }
}
