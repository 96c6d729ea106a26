using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Octavo.Cpu.Kernels;
using Octavo.Models;

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
internal readonly unsafe struct LinearOutput(float* y, int stride, int width, OutputMode mode = OutputMode.Store, Activation activation = default)
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
    public Activation Activation => activation;

    /// <summary>Writes what a panel gave for some rows: one pass over it, while it is in the first-level cache.</summary>
    /// <param name="sums">Finished sums of the panel, <c>[rows][32]</c>.</param>
    /// <param name="bias">Their bias, or null.</param>
    /// <param name="panel">The panel's number.</param>
    /// <param name="firstRow">The first row's number in y.</param>
    /// <param name="rows">Rows.</param>
    public void Write(float* sums, float* bias, int panel, int firstRow, int rows)
    {
        int perPanel = Mode == OutputMode.Gate ? GatedMatrix.Half : PanelLayout.Width;
        int column = panel * perPanel;
        int columns = Math.Min(perPanel, Width - column);
        Vector512<float> bias0 = bias == null ? default : Vector512.Load(bias);
        Vector512<float> bias1 = bias == null ? default : Vector512.Load(bias + 16);
        for (int row = 0; row < rows; row++)
        {
            float* results = Y + ((long)(firstRow + row) * Stride) + column;
            float* sum = sums + (row * PanelLayout.Width);
            Vector512<float> v0 = Vector512.Load(sum) + bias0;
            Vector512<float> v1 = Vector512.Load(sum + 16) + bias1;
            if (Mode == OutputMode.Gate)
            {
                v0 = Act(v0) * v1;
            }
            else if (Mode == OutputMode.Activate)
            {
                (v0, v1) = (Act(v0), Act(v1));
            }

            if (columns == perPanel)
            {
                WriteWhole(results, v0, v1);
            }
            else
            {
                v0.Store(sum);
                v1.Store(sum + 16);
                WritePart(results, sum, columns);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector512<float> Act(Vector512<float> v) => RowKernels.Activate(Activation, v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void WriteWhole(float* results, Vector512<float> v0, Vector512<float> v1)
    {
        if (Mode == OutputMode.Add)
        {
            v0 += Vector512.Load(results);
            v1 += Vector512.Load(results + 16);
        }

        v0.Store(results);
        if (Mode != OutputMode.Gate)
        {
            v1.Store(results + 16);
        }
    }

    /// <summary>The last panel's padding must not land in the next row.</summary>
    private void WritePart(float* results, float* values, int columns)
    {
        for (int c = 0; c < columns; c++)
        {
            results[c] = Mode == OutputMode.Add ? results[c] + values[c] : values[c];
        }
    }
}
