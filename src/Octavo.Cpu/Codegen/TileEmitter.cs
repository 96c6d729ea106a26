using Iced.Intel;
using Octavo.Cpu.Panels;
using static Iced.Intel.AssemblerRegisters;

namespace Octavo.Cpu.Codegen;

/// <summary>
/// Emits the kernel of one tile: a few rows of activations times the 32 features of a panel, over a run of groups. It
/// is called with a <see cref="TileArguments"/> pointer.
/// </summary>
/// <remarks>
/// <code>
///            features: one vector   one vector
/// row 0        [ accumulator ][ accumulator ]     step ↓ : two vectors of w; for each row one broadcast of four bytes
/// row 1        [ accumulator ][ accumulator ]              of x and two multiply-adds
///   ⋮                   ⋮             ⋮
/// row R−1      [ accumulator ][ accumulator ]
/// </code>
/// At 512 bits two vectors are the whole panel and R is up to 12: 24 accumulators, and 8 registers for the rest. At 256
/// bits they are half of it, the tile is passed twice, and R is up to 4.
/// Every output is one chain over k, or exact in integers and one chain over groups; R does not show in it.
/// </remarks>
internal sealed class TileEmitter
{
    private const int CacheLine = 64;

    // General registers. All that a platform wants kept is kept; rax holds the arguments.
    private static readonly AssemblerRegister64 Weights = rdx;
    private static readonly AssemblerRegister64 Stride = rcx;
    private static readonly AssemblerRegister64[] Rows = [r8, r9, r10, r11];     // rows 0, 3, 6 and 9
    private static readonly AssemblerRegister64 Accumulators = rdi;
    private static readonly AssemblerRegister64 Steps = rbx;
    private static readonly AssemblerRegister64 Segments = rsi;
    private static readonly AssemblerRegister64 Scales = r12;
    private static readonly AssemblerRegister64 Sums = r13;
    private static readonly AssemblerRegister64 ScaleStride = r14;
    private static readonly AssemblerRegister64 Prefetch = r15;
    private static readonly AssemblerRegister64 PrefetchStep = rbp;

    private readonly VectorAssembler _v;
    private readonly Assembler _c;
    private readonly PanelLayout _layout;
    private readonly LinearScheme _scheme;
    private readonly WeightDecoder _decoder;
    private readonly int _rows;
    private readonly int _inputBytes;          // of one row a step
    private readonly int _unroll;              // steps in one turn of the loop

    public TileEmitter(Assembler code, InstructionSet isa, PanelLayout layout, int rows)
    {
        _c = code;
        _v = new VectorAssembler(code, IsWide(isa));
        _layout = layout;
        _scheme = layout.Scheme;
        _rows = rows;
        _inputBytes = layout.StepDepth * PanelLayout.InputSize(_scheme.Input);
        _unroll = layout.StepsInTurn;
        _decoder = WeightDecoder.For(this, isa);
    }

    /// <summary>The vector instructions.</summary>
    public VectorAssembler Vector => _v;

    public LinearScheme Scheme => _scheme;

    public int RowCount => _rows;

    /// <summary>The first register that is no accumulator; eight are free from here.</summary>
    public int FirstFree => 2 * MostRows(_v.Wide);

    public static bool IsWide(InstructionSet isa) => isa >= InstructionSet.Avx512;

    /// <summary>The tallest tile.</summary>
    public static int MostRows(bool wide) => wide ? 12 : 4;

    public int Accumulator(int row, int vector) => (2 * row) + vector;

    /// <summary>Weights of the present step.</summary>
    public AssemblerMemoryOperand Weight(int offset) => __[Weights + offset];

    /// <summary>Four bytes of a row's activations.</summary>
    public AssemblerMemoryOperand Input(int row, int offset) => (row % 3) switch
    {
        0 => __[Rows[row / 3] + offset],
        1 => __[Rows[row / 3] + Stride + offset],
        _ => __[Rows[row / 3] + (Stride * 2) + offset],
    };

    /// <summary>Writes the whole function.</summary>
    public void Emit()
    {
        CallingConvention.Enter(_c, rax);
        _c.mov(Stride, Argument(nameof(TileArguments.InputStride)));
        _c.mov(ScaleStride, Argument(nameof(TileArguments.ScaleStride)));
        _c.mov(Prefetch, Argument(nameof(TileArguments.Prefetch)));
        _c.mov(PrefetchStep, Argument(nameof(TileArguments.PrefetchStep)));
        int passes = PanelLayout.Width / (2 * _v.Lanes);
        for (int pass = 0; pass < passes; pass++)
        {
            EmitPass(pass);
        }

        CallingConvention.Leave(_c);
    }

    private static AssemblerMemoryOperand Argument(string field) => TileArguments.Operand(rax, field);

    /// <summary>All groups for the features of one pair of vectors.</summary>
    private void EmitPass(int pass)
    {
        // What ends a pass takes the registers of the constants.
        _decoder.EmitConstants();
        _c.mov(Weights, Argument(nameof(TileArguments.Weights)));
        _c.mov(Accumulators, Argument(nameof(TileArguments.Accumulators)));
        _c.mov(Scales, Argument(nameof(TileArguments.Scales)));
        _c.mov(Sums, Argument(nameof(TileArguments.Sums)));
        _c.mov(Rows[0], Argument(nameof(TileArguments.Input)));
        for (int i = 1; i < (_rows + 2) / 3; i++)
        {
            _c.lea(Rows[i], __[Rows[i - 1] + (Stride * 2)]);
            _c.add(Rows[i], Stride);
        }

        if (pass > 0)
        {
            _c.add(Accumulators, pass * 2 * _v.Size);
        }

        if (!_scheme.Grouped)
        {
            EmitBegin();
            EmitSteps(pass);
            EmitLast(pass);
            ForEachAccumulator((register, memory) => _v.Store(memory, register));
            return;
        }

        EmitClear();
        _c.mov(Segments, Argument(nameof(TileArguments.Segments)));
        Label header = _c.CreateLabel();
        Label segment = _c.CreateLabel();
        Label done = _c.CreateLabel();
        bool hasHeader = _layout.HeaderBytes > 0;
        if (hasHeader)
        {
            _c.Label(ref header);
            _c.mov(Argument(nameof(TileArguments.Header)), Weights);
            _c.mov(Argument(nameof(TileArguments.ToNextHeader)), _layout.SegmentsOfHeader);
            _c.add(Weights, _layout.HeaderBytes);
        }

        _c.Label(ref segment);
        EmitGroupStart(pass);
        EmitSteps(pass);
        EmitGroupEnd(pass);
        _c.dec(Segments);
        if (hasHeader)
        {
            _c.jz(done);
            _c.dec(Argument(nameof(TileArguments.ToNextHeader)));
            _c.jnz(segment);
            _c.jmp(header);
            _c.Label(ref done);
        }
        else
        {
            _c.jnz(segment);
        }
    }

    /// <summary>Without groups: sums that begin here begin at zero, others go on from memory.</summary>
    private void EmitBegin()
    {
        Label goOn = _c.CreateLabel();
        Label begun = _c.CreateLabel();
        _c.cmp(Argument(nameof(TileArguments.First)), 0);
        _c.je(goOn);
        ForEachAccumulator((register, _) => _v.Zero(register));
        _c.jmp(begun);
        _c.Label(ref goOn);
        ForEachAccumulator((register, memory) => _v.Load(register, memory));
        _c.Label(ref begun);
    }

    /// <summary>With groups: every group adds to memory, which is zero where the sums begin.</summary>
    private void EmitClear()
    {
        Label begun = _c.CreateLabel();
        _c.cmp(Argument(nameof(TileArguments.First)), 0);
        _c.je(begun);
        _v.Zero(FirstFree);
        ForEachAccumulator((_, memory) => _v.Store(memory, FirstFree));
        _c.Label(ref begun);
    }

    /// <summary>
    /// Without groups, where the sums end: <c>Σ (w − zw)(x − zx) = Σ w x − zw Σ x − zx Σ (w − zw)</c> in integers, then
    /// the scales of the channel and of the row. The weights pointer is at the panel's tail.
    /// </summary>
    private void EmitLast(int pass)
    {
        if (!_scheme.Scaled)
        {
            return;
        }

        Label open = _c.CreateLabel();
        _c.cmp(Argument(nameof(TileArguments.Last)), 0);
        _c.je(open);
        int tail = pass * 2 * _v.Size;
        (int scale0, int scale1, int x) = (FirstFree, FirstFree + 1, FirstFree + 2);
        if (_scheme.Integer)
        {
            EmitTakeOff(tail);
        }

        _v.Load(scale0, Weight(tail));
        _v.Load(scale1, Weight(tail + _v.Size));
        for (int row = 0; row < _rows; row++)
        {
            (int sum0, int sum1) = (Accumulator(row, 0), Accumulator(row, 1));
            if (_scheme.Integer)
            {
                _v.ToSingle(sum0, sum0);
                _v.ToSingle(sum1, sum1);
            }

            _v.Multiply(sum0, sum0, scale0);
            _v.Multiply(sum1, sum1, scale1);
            if (_scheme.Integer)
            {
                _v.Broadcast(x, __dword_ptr[Scales + (row * sizeof(float))]);
                _v.Multiply(sum0, sum0, x);
                _v.Multiply(sum1, sum1, x);
            }
        }

        _c.Label(ref open);
    }

    /// <summary>Takes off integer sums what zero-points, or the codes' bias, added to them.</summary>
    private void EmitTakeOff(int tail)
    {
        (int zero0, int zero1, int x, int codes0, int codes1, int product) =
            (FirstFree, FirstFree + 1, FirstFree + 2, FirstFree + 4, FirstFree + 5, FirstFree + 6);
        const int zeros = PanelLayout.Width * sizeof(float);
        _v.Load(zero0, Weight(tail + zeros));
        _v.Load(zero1, Weight(tail + zeros + _v.Size));
        if (_scheme.AsymmetricInput)
        {
            // The steps are done: their counter is free.
            _c.mov(Steps, Argument(nameof(TileArguments.InputZeros)));
            _v.Load(codes0, Weight(tail + (2 * zeros)));
            _v.Load(codes1, Weight(tail + (2 * zeros) + _v.Size));
        }

        for (int row = 0; row < _rows; row++)
        {
            (int sum0, int sum1) = (Accumulator(row, 0), Accumulator(row, 1));
            _v.Broadcast(x, __dword_ptr[Sums + (row * sizeof(int))]);
            _v.MultiplyInt32(product, x, zero0);
            _v.AddInt32(sum0, sum0, product);
            if (_scheme.Asymmetric)
            {
                _v.MultiplyInt32(product, x, zero1);
            }

            _v.AddInt32(sum1, sum1, product);
            if (_scheme.AsymmetricInput)
            {
                _v.Broadcast(x, __dword_ptr[Steps + (row * sizeof(int))]);
                _v.MultiplyInt32(product, x, codes0);
                _v.SubtractInt32(sum0, sum0, product);
                _v.MultiplyInt32(product, x, codes1);
                _v.SubtractInt32(sum1, sum1, product);
            }
        }
    }

    private void EmitSteps(int pass)
    {
        _c.mov(Steps, Argument(nameof(TileArguments.Steps)));
        Label turn = _c.CreateLabel();
        Label rest = _c.CreateLabel();
        Label one = _c.CreateLabel();
        Label done = _c.CreateLabel();
        _c.sub(Steps, _unroll);
        _c.jl(rest);
        _c.Label(ref turn);
        int lines = Math.Max(1, _unroll * _layout.StepBytes / CacheLine);
        for (int step = 0; step < _unroll; step++)
        {
            for (int line = step * lines / _unroll; line < (step + 1) * lines / _unroll; line++)
            {
                _c.prefetcht0(__byte_ptr[Prefetch + (line * CacheLine)]);
            }

            _decoder.EmitStep(pass, step * _layout.StepBytes, step * _inputBytes);
        }

        EmitAdvance(_unroll);
        _c.add(Prefetch, PrefetchStep);
        _c.sub(Steps, _unroll);
        _c.jge(turn);
        _c.Label(ref rest);
        _c.add(Steps, _unroll);
        _c.jz(done);
        _c.Label(ref one);
        _decoder.EmitStep(pass, 0, 0);
        EmitAdvance(1);
        _c.dec(Steps);
        _c.jnz(one);
        _c.Label(ref done);
    }

    private void EmitAdvance(int steps)
    {
        _c.add(Weights, steps * _layout.StepBytes);
        for (int i = 0; i < (_rows + 2) / 3; i++)
        {
            _c.add(Rows[i], steps * _inputBytes);
        }
    }

    /// <summary>
    /// Zeros, or what the codes' bias adds to every product: <c>Σ (c − z) x = Σ c x − z Σ x</c>, in integers.
    /// </summary>
    private void EmitGroupStart(int pass)
    {
        if (_scheme.Asymmetric)
        {
            _decoder.EmitZeroPoints(pass);
            _c.add(Weights, PanelLayout.Width * sizeof(int));
        }

        for (int row = 0; row < _rows; row++)
        {
            if (_scheme.Integer)
            {
                _decoder.EmitCorrection(row, __dword_ptr[Sums + (row * sizeof(int))]);
            }
            else
            {
                _v.Zero(Accumulator(row, 0));
                _v.Zero(Accumulator(row, 1));
            }
        }
    }

    /// <summary>
    /// <c>y += sum · scale(w) · scale(x)</c>, float32 activations have no scale; then, where there are minimums,
    /// <c>y −= minimum · Σ x</c>.
    /// </summary>
    private void EmitGroupEnd(int pass)
    {
        int scale0 = FirstFree, scale1 = FirstFree + 1, x = FirstFree + 2;
        if (_layout.HeaderBytes > 0)
        {
            // The steps are done: their counter is free.
            _c.mov(Steps, Argument(nameof(TileArguments.Header)));
        }

        EmitScales(pass, row: 0);
        for (int row = 0; row < _rows; row++)
        {
            if (_scheme.Integer)
            {
                _v.Broadcast(x, __dword_ptr[Scales + (row * sizeof(float))]);
            }

            for (int vector = 0; vector < 2; vector++)
            {
                int sum = Accumulator(row, vector);
                int scale = vector == 0 ? scale0 : scale1;
                AssemblerMemoryOperand y = AccumulatorMemory(row, vector);
                if (_scheme.Integer)
                {
                    _v.ToSingle(sum, sum);
                    _v.Multiply(sum, sum, scale);
                    scale = x;
                }

                _v.MultiplyAddTo(sum, scale, y);
                if (!_scheme.Minimums)
                {
                    _v.Store(y, sum);
                }
            }
        }

        if (_scheme.Minimums)
        {
            EmitScales(pass, row: 1);
            for (int row = 0; row < _rows; row++)
            {
                _v.Broadcast(x, __dword_ptr[Sums + (row * sizeof(float))]);
                _v.MultiplyAdd(Accumulator(row, 0), scale0, x);
                _v.MultiplyAdd(Accumulator(row, 1), scale1, x);
                _v.Store(AccumulatorMemory(row, 0), Accumulator(row, 0));
                _v.Store(AccumulatorMemory(row, 1), Accumulator(row, 1));
            }
        }

        _c.add(Weights, _layout.ScaleRowBytes * (_scheme.Minimums ? 2 : 1));
        _c.add(Scales, ScaleStride);
        _c.add(Sums, ScaleStride);
    }

    /// <summary>Loads a group's scales (row 0) or minimums (row 1) of a pass's features.</summary>
    private void EmitScales(int pass, int row)
    {
        int x = FirstFree + 2;
        for (int vector = 0; vector < 2; vector++)
        {
            int scale = FirstFree + vector, feature = ((pass * 2) + vector) * _v.Lanes;
            int at = row * _layout.ScaleRowBytes;
            switch (_scheme.Scales)
            {
                case ScaleCode.Float32:
                    _v.Load(scale, Weight(at + (feature * sizeof(float))));
                    break;
                case ScaleCode.Float16:
                    _v.LoadHalves(scale, Weight(at + (feature * sizeof(ushort))));
                    break;
                case ScaleCode.Products:
                    _v.LoadSignedBytes(scale, Weight(at + feature));
                    _v.ToSingle(scale, scale);
                    _v.LoadHalves(x, __[Steps + (((row * PanelLayout.Width) + feature) * sizeof(ushort))]);
                    _v.Multiply(scale, scale, x);
                    break;
                default:
                    throw new NotSupportedException($"{_scheme.Scales}");
            }
        }
    }

    private AssemblerMemoryOperand AccumulatorMemory(int row, int vector) =>
        __[Accumulators + (row * PanelLayout.Width * sizeof(float)) + (vector * _v.Size)];

    private void ForEachAccumulator(Action<int, AssemblerMemoryOperand> act)
    {
        for (int row = 0; row < _rows; row++)
        {
            act(Accumulator(row, 0), AccumulatorMemory(row, 0));
            act(Accumulator(row, 1), AccumulatorMemory(row, 1));
        }
    }
}
