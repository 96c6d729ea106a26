using System.Runtime.Intrinsics;
using Octavo.Cpu.Simd;

namespace Octavo.Cpu.Kernels;

/// <summary>
/// A linear layer over packed panels, and the one place where matrix kernels are chosen. Members of a team split the
/// panels; no result depends on the split.
/// </summary>
internal sealed unsafe class Linear : IDisposable
{
    // Rows are taken in blocks whose activations stay in the second-level cache while the panels stream past.
    private const int RowBlockBytes = 256 << 10;

    private readonly PackedPanels _panels;
    private readonly delegate*<byte*, float*, int, float*, int, int, float*, int, void> _multiply;
    private readonly int _rowBlock;

    public Linear(IReadOnlyList<MatrixSource> sources, WeightFormat format, InstructionSet isa)
    {
        _panels = new PackedPanels(sources, format);
        _multiply = (isa, format) switch
        {
            (InstructionSet.Avx512, WeightFormat.Float32) => &PanelKernel<Vector512<float>, Simd512, Float32Element>.Multiply,
            (InstructionSet.Avx512, _) => &PanelKernel<Vector512<float>, Simd512, BFloat16Element>.Multiply,
            (InstructionSet.Avx2, WeightFormat.Float32) => &PanelKernel<Vector256<float>, Simd256, Float32Element>.Multiply,
            (InstructionSet.Avx2, _) => &PanelKernel<Vector256<float>, Simd256, BFloat16Element>.Multiply,
            (_, WeightFormat.Float32) => &PanelKernel<Vector128<float>, Simd128, Float32Element>.Multiply,
            _ => &PanelKernel<Vector128<float>, Simd128, BFloat16Element>.Multiply,
        };
        _rowBlock = Math.Max(4, RowBlockBytes / (sizeof(float) * InFeatures) / 4 * 4);
    }

    public int InFeatures => _panels.InFeatures;

    public int OutFeatures => _panels.OutFeatures;

    /// <summary>Bytes that the weights occupy.</summary>
    public long Bytes => _panels.Bytes;

    /// <summary>Computes this worker's share of <c>y = x · Wᵀ + b</c>.</summary>
    /// <param name="worker">This worker's number.</param>
    /// <param name="workers">How many share the layer.</param>
    /// <param name="x">Activations, <c>[rows][strideX]</c>.</param>
    /// <param name="strideX">Floats between two rows of x.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="y">Results, <c>[rows][strideY]</c>.</param>
    /// <param name="strideY">Floats between two rows of y, at least the output features.</param>
    public void Run(int worker, int workers, float* x, int strideX, int rows, float* y, int strideY)
    {
        int first = (int)((long)_panels.Count * worker / workers);
        int end = (int)((long)_panels.Count * (worker + 1) / workers);
        for (int row = 0; row < rows; row += _rowBlock)
        {
            int count = Math.Min(_rowBlock, rows - row);
            for (int panel = first; panel < end; panel++)
            {
                RunPanel(panel, x + ((long)row * strideX), strideX, count, y + ((long)row * strideY), strideY);
            }
        }
    }

    public void Dispose() => _panels.Dispose();

    private void RunPanel(int panel, float* x, int strideX, int rows, float* y, int strideY)
    {
        const int width = PackedPanels.Width;
        int column = panel * width;
        int columns = Math.Min(width, OutFeatures - column);
        if (columns == width)
        {
            _multiply(_panels.Panel(panel), _panels.Bias(panel), InFeatures, x, strideX, rows, y + column, strideY);
            return;
        }

        // The last panel's padding must not land in the next row.
        const int tile = 4;
        float* whole = stackalloc float[tile * width];
        for (int row = 0; row < rows; row += tile)
        {
            int count = Math.Min(tile, rows - row);
            _multiply(_panels.Panel(panel), _panels.Bias(panel), InFeatures, x + ((long)row * strideX), strideX, count, whole, width);
            for (int r = 0; r < count; r++)
            {
                new ReadOnlySpan<float>(whole + (r * width), columns).CopyTo(new Span<float>(y + ((long)(row + r) * strideY) + column, columns));
            }
        }
    }
}
