using Octavo.Cpu.Sublayers;
using Octavo.Cpu.Threading;
using Octavo.Cpu.Weights;
using Octavo.Models;

namespace Octavo.Cpu;

/// <summary>The forward pass of one step, as each member of the team runs it: embedding, sublayers, head.</summary>
internal sealed unsafe class Forward : ITeamWork
{
    private readonly Embedding _embedding;
    private readonly Head _head;
    private readonly StepState _step;
    private readonly (Sublayer Sublayer, int CacheLayer)[] _sublayers;
    private float* _logits;

    public Forward(DecoderSpec spec, WeightStore weights, StepState step)
    {
        _step = step;
        _embedding = new Embedding(spec, weights);
        Layers = [.. spec.Layers.Select(layer => Sublayer.Make(layer, weights, step))];
        _sublayers = [.. InOrder(Layers)];
        _head = new Head(spec, weights);
        step.MakeRoomFor(weights.Linears);
    }

    /// <summary>The sublayers by layer.</summary>
    public IReadOnlyList<Sublayer[]> Layers { get; }

    /// <summary>Sets where the next step's logits go.</summary>
    public void Begin(float* logits) => _logits = logits;

    public void Run(TeamMember member)
    {
        _embedding.Run(_step, member);
        foreach ((Sublayer sublayer, int cacheLayer) in _sublayers)
        {
            sublayer.Run(_step, cacheLayer, member);
        }

        _head.Run(_step, _logits, member);
    }

    // A layer of the cache belongs to an attention, of which a decoder's layer need not have one, nor one alone; or to
    // several that share it.
    private static IEnumerable<(Sublayer Sublayer, int CacheLayer)> InOrder(IEnumerable<Sublayer[]> layers)
    {
        List<int> cacheLayers = [];              // of each attention
        int kept = 0;
        foreach (Sublayer sublayer in layers.SelectMany(layer => layer))
        {
            if (sublayer is AttentionSublayer attention)
            {
                cacheLayers.Add(attention.CacheOf is { } of ? cacheLayers[of] : kept++);
            }

            yield return (sublayer, cacheLayers.LastOrDefault());
        }
    }
}
