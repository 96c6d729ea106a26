using Iced.Intel;
using Octavo.Cpu.Attention;
using Octavo.Cpu.Cache;
using Octavo.Engine;
using static Iced.Intel.AssemblerRegisters;

namespace Octavo.Cpu.Codegen;

/// <summary>
/// Writes the inner products of attention for AVX-512: a tile of up to six rows by four lines (keys, or dimensions of
/// values) in 24 accumulators, each a single chain.
/// <code>
///              line 0   line 1   line 2   line 3       zmm24…27: four lines of 64 bytes
///  row 0       zmm0     zmm1     zmm2     zmm3         zmm28, 29: a row's operand in all lanes
///  …                                                   zmm31: the mask of a word's upper bfloat16
///  row 5       zmm20    zmm21    zmm22    zmm23
/// </code>
/// Int8 operands come in two parts. One set of accumulators serves both: the high parts are multiplied through, the
/// sums shifted left, then the low parts added; integers do not mind the order.
/// </summary>
internal sealed class AttentionEmitter
{
    private const int Line = 64;
    private const int MostLines = 4;

    private static readonly AssemblerRegisterZMM[] Zmm =
    [
        zmm0, zmm1, zmm2, zmm3, zmm4, zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11, zmm12, zmm13, zmm14, zmm15,
        zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31,
    ];

    // The four lines' addresses, and where their memory is fetched ahead.
    private static readonly AssemblerRegister64[] Lines = [r8, r9, r10, r11];
    private static readonly AssemblerRegister64[] Ahead = [rax, rcx, rdx, rsi];
    private static readonly AssemblerRegister64 Offset = rdi;
    private static readonly AssemblerRegister64 Scales = rbx;
    private static readonly AssemblerRegister64 AheadGroups = rbp;
    private static readonly AssemblerRegister64 Groups = r12;
    private static readonly AssemblerRegister64 Remaining = r13;
    private static readonly AssemblerRegister64 Operand = r14;
    private static readonly AssemblerRegister64 Result = r15;

    private readonly Assembler _c;
    private readonly AttentionLayout _layout;
    private readonly KvLayout _kv;
    private readonly int _rows;
    private readonly bool _gathers;
    private int _broadcasts;

    private AttentionEmitter(Assembler assembler, AttentionLayout layout, int rows, bool gathers) =>
        (_c, _layout, _kv, _rows, _gathers) = (assembler, layout, layout.Kv, rows, gathers);

    private bool IsInt8 => _kv.Format == KvCacheFormat.Int8;

    /// <summary>Bytes of a packed row that one step of lines takes.</summary>
    private int OperandStep => IsInt8 ? 4 : sizeof(float) * _kv.Elements;

    /// <summary>Writes <see cref="IInnerKernels.Score"/> for a number of rows.</summary>
    public static void EmitScore(Assembler assembler, AttentionLayout layout, int rows) =>
        new AttentionEmitter(assembler, layout, rows, gathers: false).Score();

    /// <summary>Writes <see cref="IInnerKernels.Gather"/> for a number of rows.</summary>
    public static void EmitGather(Assembler assembler, AttentionLayout layout, int rows) =>
        new AttentionEmitter(assembler, layout, rows, gathers: true).Gather();

    // Groups are lines here: four groups at once, then two, then one.
    private void Score()
    {
        CallingConvention.Enter(_c, Offset);
        LoadArguments();
        Label turn = _c.CreateLabel();
        foreach (int lines in (int[])[4, 2, 1])
        {
            Label next = _c.CreateLabel();
            _c.Label(ref turn);
            _c.cmp(Remaining, lines);
            _c.jl(next);
            for (int j = 0; j < lines; j++)
            {
                _c.mov(Lines[j], __[Groups + (8 * j)]);
                _c.mov(Ahead[j], __[AheadGroups + (8 * j)]);
                if (IsInt8 && j < (lines + 1) / 2)
                {
                    _c.prefetcht0(__byte_ptr[Ahead[j]]);
                }
            }

            Clear(lines);
            ScoreSteps(lines, 0);
            if (IsInt8)
            {
                ShiftAccumulators(lines, 7);
                ScoreSteps(lines, _kv.ValueDim);
            }

            StoreScores(lines);
            _c.add(Groups, 8 * lines);
            _c.add(AheadGroups, 8 * lines);
            _c.add(Result, Line * lines);
            _c.sub(Remaining, lines);
            _c.jmp(turn);
            turn = next;
        }

        _c.Label(ref turn);
        CallingConvention.Leave(_c);
    }

    private void ScoreSteps(int lines, int part)
    {
        int unroll = _kv.KeySteps % 4 == 0 ? 4 : _kv.KeySteps % 2 == 0 ? 2 : 1;
        _c.xor(Offset, Offset);
        Label step = _c.CreateLabel();
        _c.Label(ref step);
        for (int u = 0; u < unroll; u++)
        {
            int displacement = u * Line;
            Step(
                lines,
                j => Lines[j] + Offset + (_kv.HeaderBytes + displacement),
                r => (r * _layout.QueryStride) + part + (u * OperandStep),
                j => Fetches(j, lines, part) ? Ahead[j] + Offset + (_kv.HeaderBytes + displacement) : null);
        }

        _c.add(Operand, unroll * OperandStep);
        _c.add(Offset, unroll * Line);
        _c.cmp(Offset, _kv.KeySteps * Line);
        _c.jl(step);
        _c.sub(Operand, _kv.KeySteps * OperandStep);
    }

    private void StoreScores(int lines)
    {
        for (int r = 0; r < _rows; r++)
        {
            for (int j = 0; j < lines; j++)
            {
                AssemblerRegisterZMM sum = Zmm[(r * lines) + j];
                if (IsInt8)
                {
                    _c.vpsubd(sum, sum, __dword_bcst[Scales + ((r * 8) + 4)]);
                    _c.vcvtdq2ps(sum, sum);
                    _c.vmulps(sum, sum, __zmmword_ptr[Lines[j]]);
                    _c.vmulps(sum, sum, __dword_bcst[Scales + (r * 8)]);
                }

                _c.vmovups(
                    __zmmword_ptr[Result + ((r * AttentionLayout.PartitionKeys * sizeof(float)) + (j * Line))], sum);
            }
        }
    }

    // Sixteen dimensions are a line here: up to four lines of a head at once, over all keys; then the next four.
    private void Gather()
    {
        CallingConvention.Enter(_c, Offset);
        int all = _kv.ValueDim * sizeof(float) / Line;
        int chunks = (all + MostLines - 1) / MostLines;
        _c.push(Offset);                                   // the arguments are needed once a chunk
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            int first = all * chunk / chunks;
            int lines = (all * (chunk + 1) / chunks) - first;
            Clear(lines);
            GatherGroups(first, lines, 0);
            if (IsInt8)
            {
                ShiftAccumulators(lines, 8);
                GatherGroups(first, lines, AttentionLayout.PartitionKeys);
            }

            StoreOutputs(first, lines);
        }

        _c.pop(Offset);
        CallingConvention.Leave(_c);
    }

    private void GatherGroups(int first, int lines, int part)
    {
        int unroll = Math.Min(4, _kv.ValueSteps);
        _c.mov(Offset, __[rsp]);
        LoadArguments();
        if (part != 0)
        {
            _c.add(AheadGroups, AttentionLayout.PartitionGroups * 8);
        }

        Label group = _c.CreateLabel();
        Label step = _c.CreateLabel();
        _c.Label(ref group);
        _c.mov(Lines[0], __[Groups]);
        _c.mov(Ahead[0], __[AheadGroups]);
        _c.mov(Ahead[1], _kv.ValueSteps / unroll);
        if (IsInt8 && first == 0)
        {
            _c.prefetcht0(__byte_ptr[Ahead[0]]);           // the scales, which stand before the lines
        }

        _c.Label(ref step);
        for (int u = 0; u < unroll; u++)
        {
            int displacement = (u * _kv.ValueRowBytes) + (first * Line);
            Step(
                lines,
                j => Lines[0] + (_kv.HeaderBytes + displacement + (j * Line)),
                r => (r * _layout.WeightStride) + part + (u * OperandStep),
                _ => null);
            for (int line = 0; line < _layout.FetchedByGather && first == 0; line++)
            {
                _c.prefetcht0(
                    __byte_ptr[Ahead[0] + (_kv.HeaderBytes + (((u * _layout.FetchedByGather) + line) * Line))]);
            }
        }

        _c.add(Operand, unroll * OperandStep);
        _c.add(Lines[0], unroll * _kv.ValueRowBytes);
        _c.add(Ahead[0], unroll * _layout.FetchedByGather * Line);
        _c.dec(Ahead[1]);
        _c.jnz(step);
        _c.add(Groups, 8);
        _c.add(AheadGroups, 8);
        _c.dec(Remaining);
        _c.jnz(group);
    }

    private void StoreOutputs(int first, int lines)
    {
        for (int r = 0; r < _rows; r++)
        {
            for (int j = 0; j < lines; j++)
            {
                AssemblerRegisterZMM sum = Zmm[(r * lines) + j];
                if (IsInt8)
                {
                    _c.vcvtdq2ps(sum, sum);
                    _c.vmulps(sum, sum, __dword_bcst[Scales + (r * 8)]);
                }

                _c.vmovups(
                    __zmmword_ptr[Result + ((r * _layout.PartialStride * sizeof(float)) + ((first + j) * Line))], sum);
            }
        }
    }

    /// <summary>
    /// Half of the lines are fetched ahead by each product, in even steps (the softmax fetches the others): the
    /// processor keeps few reads in flight, and code that asks for more at once waits as if it read itself.
    /// </summary>
    private bool Fetches(int line, int lines, int part) =>
        line < (lines + 1) / 2 && (!IsInt8 || line % 2 == (part == 0 ? 0 : 1));

    private void LoadArguments()
    {
        if (_kv.Format == KvCacheFormat.BFloat16)
        {
            _c.mov(eax, 0xFFFF_0000u);
            _c.vpbroadcastd(zmm31, eax);
        }

        Load(Groups, nameof(AttentionCall.Groups));
        Load(Remaining, nameof(AttentionCall.NumGroups));
        Load(Operand, nameof(AttentionCall.Operand));
        Load(Result, nameof(AttentionCall.Result));
        Load(Scales, nameof(AttentionCall.Scales));
        Load(AheadGroups, nameof(AttentionCall.Ahead));

        void Load(AssemblerRegister64 register, string field) =>
            _c.mov(register, __qword_ptr[Offset + AttentionCall.OffsetOf(field)]);
    }

    private void Clear(int lines)
    {
        for (int i = 0; i < _rows * lines; i++)
        {
            _c.vpxord(Zmm[i], Zmm[i], Zmm[i]);
        }
    }

    private void ShiftAccumulators(int lines, byte bits)
    {
        for (int i = 0; i < _rows * lines; i++)
        {
            _c.vpslld(Zmm[i], Zmm[i], bits);
        }
    }

    /// <summary>
    /// Multiplies one line of each column with all rows; two multiplications where a word holds two numbers.
    /// </summary>
    private void Step(
        int lines, Func<int, AssemblerMemoryOperand> line, Func<int, int> operand,
        Func<int, AssemblerMemoryOperand?> ahead)
    {
        for (int j = 0; j < lines; j++)
        {
            if (_kv.Format == KvCacheFormat.BFloat16)
            {
                _c.vpslld(Zmm[24 + j], __zmmword_ptr[line(j)], 16);
            }
            else
            {
                _c.vmovdqu32(Zmm[24 + j], __zmmword_ptr[line(j)]);
            }

            if (ahead(j) is { } address)
            {
                _c.prefetcht0(__byte_ptr[address]);
            }
        }

        Multiply(lines, operand, 0);
        if (_kv.Format == KvCacheFormat.BFloat16)
        {
            for (int j = 0; j < lines; j++)
            {
                _c.vpandd(Zmm[24 + j], zmm31, __zmmword_ptr[line(j)]);
            }

            Multiply(lines, operand, sizeof(float));
        }
    }

    private void Multiply(int lines, Func<int, int> operand, int displacement)
    {
        for (int r = 0; r < _rows; r++)
        {
            AssemblerRegisterZMM broadcast = Zmm[28 + (_broadcasts++ % 2)];
            _c.vpbroadcastd(broadcast, __dword_ptr[Operand + (operand(r) + displacement)]);
            for (int j = 0; j < lines; j++)
            {
                AssemblerRegisterZMM sum = Zmm[(r * lines) + j];
                if (!IsInt8)
                {
                    _c.vfmadd231ps(sum, broadcast, Zmm[24 + j]);
                }
                else if (_gathers)
                {
                    _c.vpdpbusd(sum, broadcast, Zmm[24 + j]);      // unsigned weights, signed values
                }
                else
                {
                    _c.vpdpbusd(sum, Zmm[24 + j], broadcast);      // unsigned keys, signed queries
                }
            }
        }
    }
}
