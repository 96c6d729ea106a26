using Iced.Intel;
using Octavo.Cpu.Panels;
using Octavo.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Octavo.Cpu.Codegen;

/// <summary>
/// The tile kernel where the processor has matrix registers (AMX): up to 16 rows of activations times the 32 features
/// of a panel. The panels are those of <see cref="TileEmitter"/>: sixteen steps of them are what AMX calls B.
/// </summary>
/// <remarks>
/// <code>
///   A: 16 rows × 64 bytes of x     ×     B: 16 steps × 64 bytes of w     →     C: 16 rows × 16 features
///   tmm2 (tmm5 the rest)                 tmm3 and tmm4 (tmm6 the rest)         tmm0 and tmm1
/// </code>
/// The rest is what remains of a group behind whole blocks of sixteen steps; its height is set when the kernel begins.
/// Integers only: the instruction for bfloat16 adds even and odd products apart, over as many steps as a tile happens
/// to have, so that a row's bits would depend on the rows beside it (decision 1).
/// Source: Intel SDM volume 2, LDTILECFG, TILELOADD, TDPBSUD.
/// </remarks>
internal sealed class AmxTileEmitter
{
    /// <summary>Rows of a tile.</summary>
    public const int MostRows = 16;

    private const int StepsInBlock = 16;
    private const int StepBytes = 128;
    private const int LineBytes = 64;
    private const int RowBytes = PanelLayout.Width * sizeof(int);
    private const int SumBytes = MostRows * RowBytes;           // on the stack: the sums of a group
    private const int Configuration = SumBytes;                 // behind them: 64 bytes of tile configuration
    private const int RestOfA = 5;
    private const int RestOfB = 6;

    private static readonly AssemblerRegister64 Weights = rdx;
    private static readonly AssemblerRegister64 Stride = rcx;
    private static readonly AssemblerRegister64 Input = r8;
    private static readonly AssemblerRegister64 Accumulators = r9;
    private static readonly AssemblerRegister64 Segments = r10;
    private static readonly AssemblerRegister64 Blocks = r11;
    private static readonly AssemblerRegister64 Rest = rbx;      // steps behind whole blocks
    private static readonly AssemblerRegister64 Scales = r12;
    private static readonly AssemblerRegister64 Sums = r13;
    private static readonly AssemblerRegister64 RowStride = r14; // RowBytes, which is StepBytes, too
    private static readonly AssemblerRegister64 CallerStack = r15;

    private readonly Assembler _c;
    private readonly VectorAssembler _v;
    private readonly LinearScheme _scheme;
    private readonly int _rows;

    public AmxTileEmitter(Assembler code, PanelLayout layout, int rows)
    {
        (_c, _v, _scheme, _rows) = (code, new VectorAssembler(code, wide: true), layout.Scheme, rows);
    }

    /// <summary>Whether a scheme's steps are what AMX multiplies.</summary>
    public static bool Takes(LinearScheme scheme) =>
        (scheme.Weight, scheme.Input, scheme.AsymmetricInput || scheme.Minimums || scheme.Scales != ScaleCode.Float32) is
            (WeightCode.Int8, InputCode.Int8, false);

    /// <summary>Writes the whole function.</summary>
    public void Emit()
    {
        CallingConvention.Enter(_c, rax);
        _c.mov(CallerStack, rsp);
        _c.sub(rsp, Configuration + LineBytes);
        _c.and(rsp, -LineBytes);
        EmitConfiguration();
        _c.mov(Weights, Argument(nameof(TileArguments.Weights)));
        _c.mov(Stride, Argument(nameof(TileArguments.InputStride)));
        _c.mov(Input, Argument(nameof(TileArguments.Input)));
        _c.mov(Accumulators, Argument(nameof(TileArguments.Accumulators)));
        _c.mov(Segments, Argument(nameof(TileArguments.Segments)));
        _c.mov(Scales, Argument(nameof(TileArguments.Scales)));
        _c.mov(Sums, Argument(nameof(TileArguments.Sums)));
        EmitClear();
        _c.mov(RowStride, RowBytes);
        if (_scheme.Grouped)
        {
            EmitGroups();
        }
        else
        {
            _c.tileloadd(tmm0, __[Accumulators + RowStride]);
            _c.tileloadd(tmm1, __[Accumulators + RowStride + LineBytes]);
            EmitSteps();
            _c.tilestored(__[Accumulators + RowStride], tmm0);
            _c.tilestored(__[Accumulators + RowStride + LineBytes], tmm1);
            EmitLast();
        }

        _c.tilerelease();
        _c.mov(rsp, CallerStack);
        CallingConvention.Leave(_c);
    }

    private static AssemblerMemoryOperand Argument(string field) => TileArguments.Operand(rax, field);

    /// <summary>Palette 1, and of each tile register the bytes in a row and the rows.</summary>
    private void EmitConfiguration()
    {
        _v.Zero(0);
        _v.Store(__[rsp + Configuration], 0);
        _c.mov(__byte_ptr[rsp + Configuration], 1);
        foreach (int tile in (ReadOnlySpan<int>)[0, 1, 2, 3, 4, RestOfB])
        {
            _c.mov(__word_ptr[rsp + BytesOf(tile)], LineBytes);
        }

        foreach (int tile in (ReadOnlySpan<int>)[0, 1, 2, RestOfA])
        {
            _c.mov(__byte_ptr[rsp + RowsOf(tile)], _rows);
        }

        foreach (int tile in (ReadOnlySpan<int>)[3, 4])
        {
            _c.mov(__byte_ptr[rsp + RowsOf(tile)], StepsInBlock);
        }

        _c.mov(Rest, Argument(nameof(TileArguments.Steps)));
        _c.and(ebx, StepsInBlock - 1);
        _c.mov(__byte_ptr[rsp + RowsOf(RestOfB)], bl);
        _c.lea(r11d, __[rbx * 4]);
        _c.mov(__word_ptr[rsp + BytesOf(RestOfA)], r11w);

        // A register without rows or bytes is refused, even where it is not used.
        Label some = _c.CreateLabel();
        _c.test(ebx, ebx);
        _c.jnz(some);
        _c.mov(__byte_ptr[rsp + RowsOf(RestOfB)], 1);
        _c.mov(__word_ptr[rsp + BytesOf(RestOfA)], sizeof(int));
        _c.Label(ref some);
        _c.ldtilecfg(__[rsp + Configuration]);

        static int BytesOf(int tile) => Configuration + 16 + (2 * tile);

        static int RowsOf(int tile) => Configuration + 48 + tile;
    }

    private void EmitClear()
    {
        Label begun = _c.CreateLabel();
        _c.cmp(Argument(nameof(TileArguments.First)), 0);
        _c.je(begun);
        _v.Zero(0);
        for (int line = 0; line < 2 * _rows; line++)
        {
            _v.Store(__[Accumulators + (line * LineBytes)], 0);
        }

        _c.Label(ref begun);
    }

    private void EmitSteps()
    {
        Label block = _c.CreateLabel();
        Label rest = _c.CreateLabel();
        Label done = _c.CreateLabel();
        _c.mov(Blocks, Argument(nameof(TileArguments.Steps)));
        _c.shr(Blocks, 4);
        _c.jz(rest);
        _c.Label(ref block);
        _c.tileloadd(tmm2, __[Input + Stride]);
        _c.tileloadd(tmm3, __[Weights + RowStride]);
        _c.tdpbsud(tmm0, tmm2, tmm3);
        _c.tileloadd(tmm4, __[Weights + RowStride + LineBytes]);
        _c.tdpbsud(tmm1, tmm2, tmm4);
        _c.add(Weights, StepsInBlock * StepBytes);
        _c.add(Input, LineBytes);
        _c.dec(Blocks);
        _c.jnz(block);
        _c.Label(ref rest);
        _c.test(Rest, Rest);
        _c.jz(done);
        _c.tileloadd(tmm5, __[Input + Stride]);
        _c.tileloadd(tmm6, __[Weights + RowStride]);
        _c.tdpbsud(tmm0, tmm5, tmm6);
        _c.tileloadd(tmm6, __[Weights + RowStride + LineBytes]);
        _c.tdpbsud(tmm1, tmm5, tmm6);
        _c.lea(Input, __[Input + (Rest * 4)]);
        _c.mov(Blocks, Rest);
        _c.shl(Blocks, 7);
        _c.add(Weights, Blocks);
        _c.Label(ref done);
    }

    private void EmitGroups()
    {
        const int zero0 = 4;
        Label segment = _c.CreateLabel();
        _c.Label(ref segment);
        if (_scheme.Asymmetric)
        {
            _v.Load(zero0, __[Weights]);
            _v.Load(zero0 + 1, __[Weights + LineBytes]);
            _c.add(Weights, PanelLayout.Width * sizeof(int));
        }

        _c.tilezero(tmm0);
        _c.tilezero(tmm1);
        EmitSteps();
        _c.tilestored(__[rsp + RowStride], tmm0);
        _c.tilestored(__[rsp + RowStride + LineBytes], tmm1);
        for (int vector = 0; vector < 2; vector++)
        {
            (int scale, int sum, int x) = (0, 1, 2);
            _v.Load(scale, __[Weights + (vector * LineBytes)]);
            for (int row = 0; row < _rows; row++)
            {
                AssemblerMemoryOperand y = __[Accumulators + (row * RowBytes) + (vector * LineBytes)];
                _v.Load(sum, __[rsp + (row * RowBytes) + (vector * LineBytes)]);
                EmitTakeOff(row, sum, x, _scheme.Asymmetric ? zero0 + vector : null);
                _v.ToSingle(sum, sum);
                _v.Multiply(sum, sum, scale);
                _v.Broadcast(x, __dword_ptr[Scales + (row * sizeof(float))]);
                _v.MultiplyAddTo(sum, x, y);
                _v.Store(y, sum);
            }
        }

        _c.add(Weights, PanelLayout.Width * sizeof(float));
        _c.add(Scales, Argument(nameof(TileArguments.ScaleStride)));
        _c.add(Sums, Argument(nameof(TileArguments.ScaleStride)));
        _c.dec(Segments);
        _c.jnz(segment);
    }

    /// <summary>Without groups: finishes the sums where they end, as <see cref="TileEmitter"/> does.</summary>
    private void EmitLast()
    {
        if (!_scheme.Scaled)
        {
            return;
        }

        Label open = _c.CreateLabel();
        _c.cmp(Argument(nameof(TileArguments.Last)), 0);
        _c.je(open);
        for (int vector = 0; vector < 2; vector++)
        {
            (int scale, int sum, int x, int zero) = (0, 1, 2, 3);
            _v.Load(scale, __[Weights + (vector * LineBytes)]);
            _v.Load(zero, __[Weights + (PanelLayout.Width * sizeof(float)) + (vector * LineBytes)]);
            for (int row = 0; row < _rows; row++)
            {
                AssemblerMemoryOperand y = __[Accumulators + (row * RowBytes) + (vector * LineBytes)];
                _v.Load(sum, y);
                EmitTakeOff(row, sum, x, zero);
                _v.ToSingle(sum, sum);
                _v.Multiply(sum, sum, scale);
                _v.Broadcast(x, __dword_ptr[Scales + (row * sizeof(float))]);
                _v.Multiply(sum, sum, x);
                _v.Store(y, sum);
            }
        }

        _c.Label(ref open);
    }

    /// <summary>Takes off a row's sums what stands above the codes' value: zero-points, or the bias of 128.</summary>
    private void EmitTakeOff(int row, int sum, int x, int? zero)
    {
        _v.Broadcast(x, __dword_ptr[Sums + (row * sizeof(int))]);
        if (zero is { } register)
        {
            _v.MultiplyInt32(x, x, register);
        }
        else
        {
            _v.ShiftLeftInt32(x, x, 7);
        }

        _v.AddInt32(sum, sum, x);
    }
}
