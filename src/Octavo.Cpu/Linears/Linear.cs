using System.Runtime.CompilerServices;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Panels;
using Octavo.Cpu.Threading;

namespace Octavo.Cpu.Linears;

/// <summary>
/// A linear layer over packed panels, and the one place where matrix kernels are chosen. Members of a team split the
/// panels; no result depends on the split.
/// </summary>
/// <remarks>
/// <code>
/// for each block of rows          activations stay in the second-level cache
///   for each panel                of this worker
///     for each block of k         its weights stay in the first-level cache
///       for each tile of rows     a generated kernel; meanwhile it fetches what the next block needs
///     finish and write the panel's results
/// </code>
/// </remarks>
internal sealed unsafe class Linear : IDisposable
{
    /// <summary>Rows of sums that a worker keeps for one panel.</summary>
    public const int MostRowsInBlock = 120;

    private const int ActivationBytesInBlock = 512 << 10;
    private const int WeightBytesInBlock = 20 << 10;
    private const int StepsInTurn = 8;
    private const int FetchAhead = 4 << 10;

    private readonly PackedPanels _panels;
    private readonly PanelLayout _layout;
    private readonly TileKernels? _kernels;
    private readonly int _codeBias;
    private readonly int _mostRows;
    private readonly int _rowBlock;

    /// <summary>Packs a matrix for a scheme and an instruction set.</summary>
    public Linear(MatrixSource source, LinearScheme scheme, InstructionSet isa)
        : this(new PackedPanels(source, scheme, ByteDot.Bias(scheme, isa)), isa)
    {
    }

    /// <summary>Takes panels that were packed for an instruction set, and owns them.</summary>
    public Linear(PackedPanels panels, InstructionSet isa)
    {
        _panels = panels;
        _layout = _panels.Layout;
        _codeBias = ByteDot.Bias(_layout.Scheme, isa);
        try
        {
            _kernels = isa == InstructionSet.Portable ? null : TileKernels.For(isa, _layout);
        }
        catch
        {
            _panels.Dispose();
            throw;
        }

        _mostRows = _kernels?.MostRows ?? PortableTile.MostRows;
        _rowBlock = (int)Math.Clamp(
            ActivationBytesInBlock / _layout.InputStride / _mostRows * _mostRows, _mostRows, MostRowsInBlock);
    }

    /// <summary>Moves each member's panels to the memory beside it, on a machine with several nodes.</summary>
    public void Place(NumaNodes nodes, int workers)
    {
        for (int worker = 0; worker < workers; worker++)
        {
            (int first, int end) = Share(worker, workers);
            nodes.Place(_panels.Panel(first), (end - first) * _layout.PanelBytes, worker, workers);
        }
    }

    public int InFeatures => _layout.InFeatures;

    public int OutFeatures => _panels.OutFeatures;

    /// <summary>How activations must be written for it.</summary>
    public PanelLayout Layout => _layout;

    /// <summary>Bytes that the weights occupy.</summary>
    public long Bytes => _panels.PanelsBytes + _panels.BiasBytes;

    /// <summary>Computes this worker's share of the layer.</summary>
    /// <param name="worker">This worker's number.</param>
    /// <param name="workers">How many share the layer.</param>
    /// <param name="x">Activations, stored for this layer.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="output">Where the results go.</param>
    [SkipLocalsInit]
    public void Run(int worker, int workers, ActivationBuffer x, int rows, in LinearOutput output)
    {
        byte* memory = stackalloc byte[(MostRowsInBlock * PanelLayout.Width * sizeof(float)) + 64];
        byte* sums = (byte*)(((nuint)memory + 63) & ~(nuint)63);
        (int first, int end) = Share(worker, workers);
        for (int row = 0; row < rows; row += _rowBlock)
        {
            int count = Math.Min(_rowBlock, rows - row);
            for (int panel = first; panel < end; panel++)
            {
                RunPanel(panel, x, row, count, sums);
                output.Write((float*)sums, _panels.Bias(panel), panel, row, count);
            }
        }
    }

    public void Dispose() => _panels.Dispose();

    private (int First, int End) Share(int worker, int workers) =>
        ((int)((long)_panels.Count * worker / workers), (int)((long)_panels.Count * (worker + 1) / workers));

    private void RunPanel(int panel, ActivationBuffer x, int firstRow, int rows, byte* sums)
    {
        int tiles = (rows + _mostRows - 1) / _mostRows;
        int steps = _layout.StepsPerSegment;
        TileArguments a = default;
        a.InputStride = _layout.InputStride;
        a.ScaleStride = (long)x.ScaleStride * sizeof(float);
        a.PrefetchStep = StepsInTurn * _layout.StepBytes / tiles;
        a.Scales = x.Scales + firstRow;
        a.Sums = x.NegatedSums + firstRow;
        a.InputZeros = x.Zeros + firstRow;
        byte* weights = _panels.Panel(panel);
        byte* input = x.Row(_layout, firstRow);
        if (_layout.Scheme.Grouped)
        {
            int inBlock = tiles == 1
                ? _layout.Segments
                : Even(_layout.Segments, Math.Max(1, (int)(WeightBytesInBlock / _layout.SegmentBytes)));
            for (int segment = 0; segment < _layout.Segments; segment += inBlock)
            {
                a.First = segment == 0 ? 1 : 0;
                a.Segments = Math.Min(inBlock, _layout.Segments - segment);
                a.Steps = steps;
                a.Weights = weights + (segment * _layout.SegmentBytes);
                a.Scales = x.Scales + ((long)segment * x.ScaleStride) + firstRow;
                a.Sums = x.NegatedSums + ((long)segment * x.ScaleStride) + firstRow;
                RunTiles(
                    &a, input + ((long)segment * _layout.InputSegmentBytes), sums, rows, tiles,
                    a.Segments * _layout.SegmentBytes);
            }

            return;
        }

        int stepsInBlock = tiles == 1 ? steps : Even(steps, WeightBytesInBlock / _layout.StepBytes);
        int inputStep = _layout.StepDepth * PanelLayout.InputSize(_layout.Scheme.Input);
        for (int step = 0; step < steps; step += stepsInBlock)
        {
            a.First = step == 0 ? 1 : 0;
            a.Last = step + stepsInBlock >= steps ? 1 : 0;
            a.Segments = 1;
            a.Steps = Math.Min(stepsInBlock, steps - step);
            a.Weights = weights + ((long)step * _layout.StepBytes);
            RunTiles(&a, input + ((long)step * inputStep), sums, rows, tiles, a.Steps * _layout.StepBytes);
        }
    }

    /// <summary>The size of equal blocks, none larger than <paramref name="most"/>.</summary>
    private static int Even(int count, int most)
    {
        int blocks = (count + most - 1) / most;
        return (count + blocks - 1) / blocks;
    }

    /// <summary>
    /// All tiles of rows over one block of weights; each fetches its part of what comes behind the block.
    /// </summary>
    private void RunTiles(TileArguments* a, byte* input, byte* sums, int rows, int tiles, long blockBytes)
    {
        int row = 0;
        float* scales = a->Scales;
        int* codeSums = a->Sums;
        int* zeros = a->InputZeros;
        for (int tile = 0; tile < tiles; tile++)
        {
            int end = (int)((long)rows * (tile + 1) / tiles);
            a->Input = input + (row * a->InputStride);
            a->Accumulators = sums + ((long)row * PanelLayout.Width * sizeof(float));
            a->Scales = scales + row;
            a->Sums = codeSums + row;
            a->InputZeros = zeros + row;
            a->Prefetch = a->Weights + (tiles == 1 ? FetchAhead : blockBytes + (blockBytes * tile / tiles));
            if (_kernels is not null)
            {
                _kernels.Run(end - row, a);
            }
            else
            {
                PortableTile.Run(_layout, _codeBias, end - row, a);
            }

            row = end;
        }

        a->Scales = scales;
        a->Sums = codeSums;
        a->InputZeros = zeros;
    }
}
