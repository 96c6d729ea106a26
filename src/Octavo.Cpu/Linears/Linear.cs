using Octavo.Cpu.Codegen;
using Octavo.Cpu.Panels;
using Octavo.Cpu.Threading;

namespace Octavo.Cpu.Linears;

/// <summary>
/// A linear layer over packed panels, and the one place where matrix kernels are chosen. Members of a team share the
/// panels; no result depends on who computes which.
/// </summary>
/// <remarks>
/// <code>
/// for each block of rows          activations stay in the second-level cache
///   for each panel                a few of them are one item
///     for each block of k         its weights stay in the first-level cache
///       for each tile of rows     a generated kernel; meanwhile it fetches what the next block needs
///     finish and write the panel's results
/// </code>
/// </remarks>
internal sealed unsafe class Linear : IDisposable
{
    /// <summary>Rows of sums that fit into a member's memory; a multiple of every tile's.</summary>
    public const int MostRowsInBlock =
        TeamMember.ScratchBytes / (PanelLayout.Width * sizeof(float)) / RowsOfAllTiles * RowsOfAllTiles;

    private const int RowsOfAllTiles = 24;
    private const int ActivationBytesInBlock = 512 << 10;
    private const int WeightBytesInBlock = 20 << 10;
    private const int FetchAhead = 4 << 10;
    private const int ItemBytes = 48 << 10;
    private const int ItemsPerMember = 4;

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
            int first = (int)((long)_panels.Count * worker / workers);
            int end = (int)((long)_panels.Count * (worker + 1) / workers);
            nodes.Place(_panels.Panel(first), (end - first) * _layout.PanelBytes, worker, workers);
        }
    }

    public int InFeatures => _layout.InFeatures;

    public int OutFeatures => _panels.OutFeatures;

    /// <summary>How activations must be written for it.</summary>
    public PanelLayout Layout => _layout;

    /// <summary>Bytes that the weights occupy.</summary>
    public long Bytes => _panels.PanelsBytes + _panels.BiasBytes;

    /// <summary>Computes the layer, as one phase of the team's work.</summary>
    /// <param name="member">A member of the team.</param>
    /// <param name="x">Activations, stored for this layer.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="output">Where the results go.</param>
    public void Run(TeamMember member, ActivationBuffer x, int rows, in LinearOutput output)
    {
        int inBlock = Math.Min(rows, _rowBlock);
        int units = Units(inBlock, member.TeamCount);
        int rounds = (rows + _rowBlock - 1) / _rowBlock;
        member.Share(units, rounds, new Items(this, x, rows, units, output));
    }

    public void Dispose() => _panels.Dispose();

    /// <summary>
    /// Items that the panels are cut into: each so large that claiming it costs next to nothing, so small that members
    /// end at about the same time and its sums fit into a member's memory; as many for one member as for another.
    /// </summary>
    private int Units(int rows, int members)
    {
        long forBytes = (_panels.PanelsBytes / ItemBytes) + 1;
        long most = Math.Max(1, Math.Min(forBytes, (long)members * ItemsPerMember));
        int fitting = Math.Max(1, MostRowsInBlock / Math.Max(1, rows));
        long least = (_panels.Count + fitting - 1) / fitting;
        long units = Math.Max(most, least);
        return (int)Math.Min(_panels.Count, (units + members - 1) / members * members);
    }

    private void RunPanel(int panel, ActivationBuffer x, int firstRow, int rows, byte* sums)
    {
        int tiles = (rows + _mostRows - 1) / _mostRows;
        int steps = _layout.StepsPerSegment;
        TileArguments a = default;
        a.InputStride = _layout.InputStride;
        a.ScaleStride = (long)x.ScaleStride * sizeof(float);
        a.PrefetchStep = _layout.StepsInTurn * _layout.StepBytes / tiles;
        a.Scales = x.Scales + firstRow;
        a.Sums = x.NegatedSums + firstRow;
        a.InputZeros = x.Zeros + firstRow;
        byte* weights = _panels.Panel(panel);
        byte* input = x.Row(_layout, firstRow);
        if (_layout.Scheme.Grouped)
        {
            // Blocks begin where headers do.
            int together = _layout.SegmentsOfHeader;
            long bytes = (together * _layout.SegmentBytes) + _layout.HeaderBytes;
            int inBlock = tiles == 1
                ? _layout.Segments
                : together * Even(_layout.Segments / together, Math.Max(1, (int)(WeightBytesInBlock / bytes)));
            for (int segment = 0; segment < _layout.Segments; segment += inBlock)
            {
                a.First = segment == 0 ? 1 : 0;
                a.Segments = Math.Min(inBlock, _layout.Segments - segment);
                a.Steps = steps;
                a.Weights = weights + _layout.SegmentOffset(segment) - _layout.HeaderBytes;
                a.Scales = x.Scales + ((long)segment * x.ScaleStride) + firstRow;
                a.Sums = x.NegatedSums + ((long)segment * x.ScaleStride) + firstRow;
                RunTiles(
                    &a, input + ((long)segment * _layout.InputSegmentBytes), sums, rows, tiles,
                    a.Segments / together * bytes);
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

    /// <summary>Panels of a block of rows: computed into a member's memory, then written.</summary>
    private readonly struct Items(Linear linear, ActivationBuffer x, int rows, int units, LinearOutput output)
        : ISharedItems
    {
        private readonly LinearOutput _output = output;

        public void Compute(int item, TeamMember member)
        {
            (int row, int count, int first, int end) = Find(item);
            for (int panel = first; panel < end; panel++)
            {
                linear.RunPanel(panel, x, row, count, Sums(member, panel - first, count));
            }
        }

        public void Write(int item, TeamMember member)
        {
            (int row, int count, int first, int end) = Find(item);
            for (int panel = first; panel < end; panel++)
            {
                _output.Write(
                    (float*)Sums(member, panel - first, count), linear._panels.Bias(panel), panel, row, count);
            }
        }

        private static byte* Sums(TeamMember member, int panel, int rows) =>
            member.Scratch + ((long)panel * rows * PanelLayout.Width * sizeof(float));

        private (int Row, int Rows, int First, int End) Find(int item)
        {
            int row = item / units * linear._rowBlock;
            int unit = item % units;
            return (
                row, Math.Min(linear._rowBlock, rows - row), (int)((long)linear._panels.Count * unit / units),
                (int)((long)linear._panels.Count * (unit + 1) / units));
        }
    }
}
