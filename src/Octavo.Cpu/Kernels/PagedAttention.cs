using System.Runtime.Intrinsics;
using Octavo.Cpu.Simd;
using Octavo.Engine;
using Octavo.Models;

namespace Octavo.Cpu.Kernels;

/// <summary>
/// The one entry of attention: cuts a step's queries into tiles, lets the team take them one by one, and hands each to
/// the kernel of this machine and cache format.
/// </summary>
internal sealed unsafe class PagedAttention : IDisposable
{
    private const int MostRows = 16;

    private readonly KvCache _cache;
    private readonly int _group;
    private readonly int _numHeads;
    private readonly float _scale;
    private readonly int _scoreStride;
    private readonly NativeBuffer[] _scratch;              // by worker: scores, then accumulators
    private readonly int[] _tileSequences;                 // the step's tiles
    private readonly int[] _tileTokens;
    private readonly delegate*<in AttentionTile, void> _kernel;
    private int _numTiles;
    private int _next;

    public PagedAttention(DecoderSpec spec, KvCache cache, InstructionSet isa, int workers, int maxModelLen, int maxTokens)
    {
        (_cache, _group, _numHeads) = (cache, spec.NumHeads / spec.NumKvHeads, spec.NumHeads);
        _scale = (float)(1 / Math.Sqrt(spec.HeadDim));
        _scoreStride = (maxModelLen + KvCache.Lanes - 1) / KvCache.Lanes * KvCache.Lanes;
        TokensPerTile = Math.Max(1, MostRows / _group);
        _scratch = new NativeBuffer[workers];
        for (int worker = 0; worker < workers; worker++)
        {
            long scores = (long)TokensPerTile * _group * _scoreStride;
            _scratch[worker] = NativeBuffer.OfFloats(scores + (4L * cache.PaddedHeadDim));
        }

        (_tileSequences, _tileTokens) = (new int[maxTokens], new int[maxTokens]);
        _kernel = (isa, cache.Format) switch
        {
            ( >= InstructionSet.Avx512, KvCacheFormat.Float32) => &AttentionKernel<Vector512<float>, Simd512, Float32Element>.Run,
            ( >= InstructionSet.Avx512, _) => &AttentionKernel<Vector512<float>, Simd512, BFloat16Element>.Run,
            ( >= InstructionSet.Avx2, KvCacheFormat.Float32) => &AttentionKernel<Vector256<float>, Simd256, Float32Element>.Run,
            ( >= InstructionSet.Avx2, _) => &AttentionKernel<Vector256<float>, Simd256, BFloat16Element>.Run,
            (_, KvCacheFormat.Float32) => &AttentionKernel<Vector128<float>, Simd128, Float32Element>.Run,
            _ => &AttentionKernel<Vector128<float>, Simd128, BFloat16Element>.Run,
        };
    }

    private int TokensPerTile { get; }

    /// <summary>Cuts a step into tiles; once a step, before the team starts.</summary>
    public void Prepare(StepBatch batch)
    {
        _numTiles = 0;
        ReadOnlySpan<int> starts = batch.QueryStarts;
        for (int s = 0; s < batch.NumSequences; s++)
        {
            for (int token = starts[s]; token < starts[s + 1]; token += TokensPerTile)
            {
                (_tileSequences[_numTiles], _tileTokens[_numTiles++]) = (s, token);
            }
        }

        _next = 0;
    }

    /// <summary>Makes the tiles available again for the next layer; one worker, between two barriers.</summary>
    public void Rewind() => Volatile.Write(ref _next, 0);

    /// <summary>Computes tiles until none is left. Which worker takes which tile does not show in the result.</summary>
    /// <param name="worker">This worker's number.</param>
    /// <param name="layer">The layer whose cache is read.</param>
    /// <param name="batch">The step.</param>
    /// <param name="query">Queries after position encoding, <c>[tokens][queryStride]</c>, heads one behind another.</param>
    /// <param name="queryStride">Floats between two tokens.</param>
    /// <param name="output">Results, <c>[tokens][heads · headDim]</c>.</param>
    public void Run(int worker, int layer, StepBatch batch, float* query, int queryStride, float* output)
    {
        int items = _numTiles * _cache.NumKvHeads;
        int headDim = _cache.HeadDim;
        int outputStride = _numHeads * headDim;
        ReadOnlySpan<int> positions = batch.Positions;
        ReadOnlySpan<int> starts = batch.QueryStarts;
        for (int item; (item = Interlocked.Increment(ref _next) - 1) < items;)
        {
            int tile = item / _cache.NumKvHeads;
            int kvHead = item % _cache.NumKvHeads;
            int sequence = _tileSequences[tile];
            int token = _tileTokens[tile];
            long firstHead = (long)kvHead * _group * headDim;
            float* scratch = _scratch[worker].Floats;
            var work = new AttentionTile
            {
                Cache = _cache,
                Layer = layer,
                KvHead = kvHead,
                BlockTable = batch.BlockTable(sequence),
                FirstPosition = positions[token],
                NumTokens = Math.Min(TokensPerTile, starts[sequence + 1] - token),
                Group = _group,
                Query = query + ((long)token * queryStride) + firstHead,
                QueryStride = queryStride,
                Output = output + ((long)token * outputStride) + firstHead,
                OutputStride = outputStride,
                Scale = _scale,
                Scores = scratch,
                ScoreStride = _scoreStride,
                Accumulators = scratch + ((long)TokensPerTile * _group * _scoreStride),
            };
            _kernel(work);
        }
    }

    public void Dispose()
    {
        foreach (NativeBuffer buffer in _scratch)
        {
            buffer.Dispose();
        }
    }
}
