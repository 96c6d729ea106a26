using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Octavo.Cpu.Panels;
using Octavo.Formats;

namespace Octavo.Cpu.Codegen;

/// <summary>The tile kernels of one scheme: one function for each number of rows. Made once a process.</summary>
internal sealed unsafe class TileKernels
{
    // A matrix register is loaded whole for however few rows there are.
    private const int FewestRowsOfMatrices = 4;

    private static readonly ConcurrentDictionary<Key, Lazy<TileKernels>> Made = new();

    private readonly void*[] _byRows;

    private TileKernels(InstructionSet isa, PanelLayout layout)
    {
        bool matrices = isa == InstructionSet.Amx && AmxTileEmitter.Takes(layout.Scheme);
        MostRows = matrices ? AmxTileEmitter.MostRows : TileEmitter.MostRows(TileEmitter.IsWide(isa));
        _byRows = MachineCode.MakeAll(
            [.. Enumerable.Range(1, MostRows).Select<int, Action<Iced.Intel.Assembler>>(rows => c =>
            {
                if (matrices && rows >= FewestRowsOfMatrices)
                {
                    new AmxTileEmitter(c, layout, rows).Emit();
                }
                else
                {
                    new TileEmitter(c, isa, layout, rows).Emit();
                }
            })]);
    }

    /// <summary>Rows of the tallest tile.</summary>
    public int MostRows { get; }

    /// <summary>The kernels for a panel of this layout.</summary>
    /// <exception cref="PlatformNotSupportedException">This system does not let the process run code that it
    /// makes.</exception>
    public static TileKernels For(InstructionSet isa, PanelLayout layout)
    {
        LinearScheme scheme = layout.Scheme;
        var key = new Key(
            isa, scheme.Weight, scheme.Input, scheme.Grouped, scheme.Asymmetric, scheme.AsymmetricInput,
            scheme.Minimums, scheme.Scales, layout.SegmentsOfHeader);
        return Made.GetOrAdd(key, _ => new Lazy<TileKernels>(() => new TileKernels(isa, layout))).Value;
    }

    /// <summary>Computes a tile.</summary>
    public void Run(int rows, TileArguments* arguments) =>
        ((delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>)_byRows[rows - 1])(arguments);

    // What the code depends on: sizes are arguments.
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Key(
        InstructionSet Isa, WeightCode Weight, InputCode Input, bool Grouped, bool Asymmetric, bool AsymmetricInput,
        bool Minimums, ScaleCode Scales, int SegmentsOfHeader);
}
