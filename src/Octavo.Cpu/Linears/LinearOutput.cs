using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Octavo.Cpu.Panels;
using Octavo.Cpu.Simd;

namespace Octavo.Cpu.Linears;

/// <summary>What becomes of a layer's results.</summary>
internal enum OutputMode
{
    /// <summary><c>y = x · Wᵀ + b</c></summary>
    Store,

    /// <summary><c>y += x · Wᵀ + b</c>: a residual.</summary>
    Add,

    /// <summary><c>y = act(x · Wᵀ + b)</c></summary>
    Activate,

    /// <summary><c>y = act(gate) · up</c> of a <see cref="GatedMatrix"/>, half as wide.</summary>
    Gate,
}

/// <summary>Where a layer's results go.</summary>
internal readonly unsafe struct LinearOutput(
    float* y, int stride, int width, OutputMode mode = OutputMode.Store, ActivationCurve activation = default)
{
    /// <summary>Results, <c>[rows][Stride]</c>.</summary>
    public float* Y => y;

    /// <summary>Floats between two rows, at least <see cref="Width"/>.</summary>
    public int Stride => stride;

    /// <summary>Results a row.</summary>
    public int Width => width;

    /// <summary>What becomes of them.</summary>
    public OutputMode Mode => mode;

    /// <summary>The activation, where there is one.</summary>
    public ActivationCurve Activation => activation;

    /// <summary>
    /// Writes what a panel gave for some rows: one pass over it, while it is in the first-level cache.
    /// </summary>
    /// <param name="sums">Finished sums of the panel, <c>[rows][32]</c>.</param>
    /// <param name="bias">Their bias, or null.</param>
    /// <param name="panel">The panel's number.</param>
    /// <param name="firstRow">The first row's number in y.</param>
    /// <param name="rows">Rows.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Write(float* sums, float* bias, int panel, int firstRow, int rows)
    {
        int perPanel = Mode == OutputMode.Gate ? GatedMatrix.Half : PanelLayout.Width;
        int column = panel * perPanel;
        int columns = Math.Min(perPanel, Width - column);
        float* results = Y + ((long)firstRow * Stride) + column;
        if (bias != null)
        {
            AddBias(sums, bias, rows);
        }

        if (Mode is OutputMode.Gate or OutputMode.Activate)
        {
            Activation.Apply(sums, rows, gates: Mode == OutputMode.Gate);
        }

        if (columns < perPanel)
        {
            WritePart(sums, results, columns, rows);
            return;
        }

        // One loop each: a decision in every row would cost as much as the row.
        switch (Mode)
        {
            case OutputMode.Add:
                for (int row = 0; row < rows; row++, sums += PanelLayout.Width, results += Stride)
                {
                    (Vector512.Load(results) + Vector512.Load(sums)).Store(results);
                    (Vector512.Load(results + 16) + Vector512.Load(sums + 16)).Store(results + 16);
                }

                break;
            case OutputMode.Gate:
                for (int row = 0; row < rows; row++, sums += PanelLayout.Width, results += Stride)
                {
                    Vector512.Load(sums).Store(results);
                }

                break;
            case OutputMode.Store or OutputMode.Activate:
                for (int row = 0; row < rows; row++, sums += PanelLayout.Width, results += Stride)
                {
                    Vector512.Load(sums).Store(results);
                    Vector512.Load(sums + 16).Store(results + 16);
                }

                break;
            default:
                throw new UnreachableException($"{Mode}");
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddBias(float* sums, float* bias, int rows)
    {
        var low = Vector512.Load(bias);
        var high = Vector512.Load(bias + 16);
        for (int row = 0; row < rows; row++, sums += PanelLayout.Width)
        {
            (Vector512.Load(sums) + low).Store(sums);
            (Vector512.Load(sums + 16) + high).Store(sums + 16);
        }
    }

    /// <summary>The last panel's padding must not land in the next row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void WritePart(float* sums, float* results, int columns, int rows)
    {
        for (int row = 0; row < rows; row++, sums += PanelLayout.Width, results += Stride)
        {
            for (int c = 0; c < columns; c++)
            {
                results[c] = Mode == OutputMode.Add ? results[c] + sums[c] : sums[c];
            }
        }
    }
}
