using System.Runtime.CompilerServices;
using Iced.Intel;

namespace Octavo.Cpu.Tests;

/// <summary>
/// Disassembles a function and does what each instruction says, one at a time: for code that this machine cannot run.
/// It knows the instructions that tile kernels with matrix registers are made of, and refuses any other.
/// </summary>
/// <remarks>Source: Intel SDM volume 2, each instruction's page.</remarks>
internal sealed unsafe class AmxInterpreter
{
    private const int VectorBytes = 64;
    private const int TileRowBytes = 64;

    private readonly Dictionary<ulong, Instruction> _code = [];
    private readonly long[] _general = new long[16];
    private readonly byte[][] _vectors = [.. Enumerable.Range(0, 32).Select(_ => new byte[VectorBytes])];
    private readonly byte[][] _tiles = [.. Enumerable.Range(0, 8).Select(_ => new byte[16 * TileRowBytes])];
    private readonly int[] _tileRows = new int[8];
    private readonly int[] _tileBytes = new int[8];
    private bool _zero;

    public AmxInterpreter(byte[] code)
    {
        var decoder = Decoder.Create(64, code);
        while (decoder.IP < (ulong)code.Length)
        {
            ulong at = decoder.IP;
            _code[at] = decoder.Decode();
        }
    }

    /// <summary>How often each instruction was carried out.</summary>
    public Dictionary<Mnemonic, int> Counts { get; } = [];

    /// <summary>The function's instructions.</summary>
    public IEnumerable<Instruction> Instructions => _code.Values;

    public void Run(void* argument)
    {
        byte* stack = stackalloc byte[64 << 10];
        byte* top = (byte*)((nuint)(stack + (60 << 10)) & ~(nuint)15);
        this[Register.RSP] = (long)top;
        this[OperatingSystem.IsWindows() ? Register.RCX : Register.RDI] = (long)argument;
        ulong ip = 0;
        while (true)
        {
            Instruction i = _code[ip];
            Counts[i.Mnemonic] = Counts.GetValueOrDefault(i.Mnemonic) + 1;
            if (i.Mnemonic == Mnemonic.Ret)
            {
                this[Register.RSP].ShouldBe((long)top, "the stack is as the caller left it");
                return;
            }

            ip = Do(i) ? i.NearBranchTarget : i.NextIP;
        }
    }

    private long this[Register register]
    {
        get => _general[register.GetFullRegister() - Register.RAX] & Mask(register.GetSize());
        set
        {
            ref long whole = ref _general[register.GetFullRegister() - Register.RAX];
            int size = register.GetSize();
            whole = size >= 4 ? value & Mask(size) : (whole & ~Mask(size)) | (value & Mask(size));
        }
    }

    private static long Mask(int size) => size == 8 ? -1 : (1L << (8 * size)) - 1;

    /// <summary>Carries one instruction out; true where it jumps.</summary>
    private bool Do(Instruction i)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Push:
                this[Register.RSP] -= 8;
                *(long*)this[Register.RSP] = this[i.Op0Register];
                break;
            case Mnemonic.Pop:
                this[i.Op0Register] = *(long*)this[Register.RSP];
                this[Register.RSP] += 8;
                break;
            case Mnemonic.Mov:
                Set(i, Value(i, 1));
                break;
            case Mnemonic.Lea:
                this[i.Op0Register] = (long)Address(i);
                break;
            case Mnemonic.Add:
                Arithmetic(i, Value(i, 0) + Value(i, 1));
                break;
            case Mnemonic.Sub:
                Arithmetic(i, Value(i, 0) - Value(i, 1));
                break;
            case Mnemonic.And:
                Arithmetic(i, Value(i, 0) & Value(i, 1));
                break;
            case Mnemonic.Dec:
                Arithmetic(i, Value(i, 0) - 1);
                break;
            case Mnemonic.Shl:
                Arithmetic(i, Value(i, 0) << (int)Value(i, 1));
                break;
            case Mnemonic.Shr:
                Arithmetic(i, (long)((ulong)Value(i, 0) >> (int)Value(i, 1)));
                break;
            case Mnemonic.Cmp:
                _zero = Value(i, 0) == Value(i, 1);
                break;
            case Mnemonic.Test:
                _zero = (Value(i, 0) & Value(i, 1)) == 0;
                break;
            case Mnemonic.Je:
                return _zero;
            case Mnemonic.Jne:
                return !_zero;
            case Mnemonic.Vzeroupper or Mnemonic.Tilerelease:
                break;
            default:
                DoWide(i);
                break;
        }

        return false;
    }

    private void DoWide(Instruction i)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Vmovups when i.Op0Kind == OpKind.Memory:
                new ReadOnlySpan<byte>(_vectors[Vector(i.Op1Register)]).CopyTo(new Span<byte>(Address(i), VectorBytes));
                break;
            case Mnemonic.Vmovups:
                new ReadOnlySpan<byte>(Address(i), VectorBytes).CopyTo(_vectors[Vector(i.Op0Register)]);
                break;
            case Mnemonic.Vpbroadcastd:
                Lanes<int>(i.Op0Register).Fill(*(int*)Address(i));
                break;
            case Mnemonic.Vpxord:
                Each<int>(i, (_, a, b) => a ^ b);
                break;
            case Mnemonic.Vpaddd:
                Each<int>(i, (_, a, b) => a + b);
                break;
            case Mnemonic.Vpmulld:
                Each<int>(i, (_, a, b) => a * b);
                break;
            case Mnemonic.Vmulps:
                Each<float>(i, (_, a, b) => a * b);
                break;
            case Mnemonic.Vfmadd213ps:
                Each<float>(i, (d, a, b) => MathF.FusedMultiplyAdd(d, a, b));
                break;
            case Mnemonic.Vpslld:
                int[] shifted = Lanes<int>(i.Op1Register).ToArray();
                Array.ConvertAll(shifted, v => v << i.Immediate8).CopyTo(Lanes<int>(i.Op0Register));
                break;
            case Mnemonic.Vcvtdq2ps:
                int[] integers = Lanes<int>(i.Op1Register).ToArray();
                Array.ConvertAll(integers, v => (float)v).CopyTo(Lanes<float>(i.Op0Register));
                break;
            default:
                DoTile(i);
                break;
        }
    }

    private void DoTile(Instruction i)
    {
        int tile = i.Op0Register - Register.TMM0;
        switch (i.Mnemonic)
        {
            case Mnemonic.Ldtilecfg:
                Configure(Address(i));
                break;
            case Mnemonic.Tilezero:
                _tiles[tile].AsSpan().Clear();
                break;
            case Mnemonic.Tileloadd:
                Move(i, tile, store: false);
                break;
            case Mnemonic.Tilestored:
                Move(i, i.Op1Register - Register.TMM0, store: true);
                break;
            case Mnemonic.Tdpbsud:
                Multiply(i, (sums, x, w) =>
                {
                    for (int b = 0; b < 4; b++)
                    {
                        *(int*)sums += ((sbyte*)x)[b] * w[b];
                    }
                });
                break;
            default:
                throw new NotSupportedException($"{i} is not an instruction that tile kernels have");
        }
    }

    private void Configure(byte* configuration)
    {
        configuration[0].ShouldBe((byte)1, "palette");
        for (int tile = 0; tile < 8; tile++)
        {
            _tileBytes[tile] = ((ushort*)(configuration + 16))[tile];
            _tileRows[tile] = configuration[48 + tile];
            _tileBytes[tile].ShouldBeInRange(0, TileRowBytes);
            _tileRows[tile].ShouldBeInRange(0, 16);
            (_tileRows[tile] == 0).ShouldBe(_tileBytes[tile] == 0, "a tile has rows and bytes, or neither");
            _tiles[tile].AsSpan().Clear();
        }
    }

    private void Move(Instruction i, int tile, bool store)
    {
        _tileRows[tile].ShouldBeGreaterThan(0, "a tile that was configured");
        byte* start = (byte*)(this[i.MemoryBase] + (long)i.MemoryDisplacement64);
        for (int row = 0; row < _tileRows[tile]; row++)
        {
            var memory = new Span<byte>(start + (row * this[i.MemoryIndex]), _tileBytes[tile]);
            Span<byte> register = _tiles[tile].AsSpan(row * TileRowBytes, _tileBytes[tile]);
            (store ? register : memory).CopyTo(store ? memory : register);
        }
    }

    private delegate void Dot(byte* sums, byte* x, byte* w);

    private void Multiply(Instruction i, Dot dot)
    {
        (int c, int a, int b) =
            (i.Op0Register - Register.TMM0, i.Op1Register - Register.TMM0, i.Op2Register - Register.TMM0);
        (_tileBytes[a] / 4).ShouldBe(_tileRows[b], "inner dimension");
        _tileRows[c].ShouldBe(_tileRows[a]);
        _tileBytes[c].ShouldBe(_tileBytes[b]);
        fixed (byte* sums = _tiles[c], x = _tiles[a], w = _tiles[b])
        {
            for (int row = 0; row < _tileRows[c]; row++)
            {
                for (int k = 0; k < _tileRows[b]; k++)
                {
                    for (int n = 0; n < _tileBytes[c]; n += 4)
                    {
                        dot(
                            sums + (row * TileRowBytes) + n, x + (row * TileRowBytes) + (4 * k),
                            w + (k * TileRowBytes) + n);
                    }
                }
            }
        }
    }

    private static int Vector(Register register) => register - Register.ZMM0;

    private Span<T> Lanes<T>(Register register)
        where T : unmanaged =>
            System.Runtime.InteropServices.MemoryMarshal.Cast<byte, T>(_vectors[Vector(register)].AsSpan());

    private void Each<T>(Instruction i, Func<T, T, T, T> lane)
        where T : unmanaged
    {
        T[] a = Lanes<T>(i.Op1Register).ToArray();
        T[] b = i.Op2Kind == OpKind.Memory
            ? new ReadOnlySpan<T>(Address(i), VectorBytes / Unsafe.SizeOf<T>()).ToArray()
            : Lanes<T>(i.Op2Register).ToArray();
        Span<T> d = Lanes<T>(i.Op0Register);
        for (int n = 0; n < d.Length; n++)
        {
            d[n] = lane(d[n], a[n], b[n]);
        }
    }

    private byte* Address(Instruction i)
    {
        long address = (long)i.MemoryDisplacement64;
        address += i.MemoryBase == Register.None ? 0 : this[i.MemoryBase];
        address += i.MemoryIndex == Register.None ? 0 : this[i.MemoryIndex] * i.MemoryIndexScale;
        return (byte*)address;
    }

    private long Value(Instruction i, int operand) => i.GetOpKind(operand) switch
    {
        OpKind.Register => this[i.GetOpRegister(operand)],
        OpKind.Memory => i.MemorySize.GetSize() switch
        {
            1 => *Address(i),
            2 => *(ushort*)Address(i),
            4 => *(uint*)Address(i),
            _ => *(long*)Address(i),
        },
        _ => (long)i.GetImmediate(operand),
    };

    private void Set(Instruction i, long value)
    {
        if (i.Op0Kind == OpKind.Register)
        {
            this[i.Op0Register] = value;
            return;
        }

        switch (i.MemorySize.GetSize())
        {
            case 1:
                *Address(i) = (byte)value;
                break;
            case 2:
                *(short*)Address(i) = (short)value;
                break;
            default:
                throw new NotSupportedException($"{i}: only bytes and words are written");
        }
    }

    private void Arithmetic(Instruction i, long value)
    {
        this[i.Op0Register] = value;
        _zero = this[i.Op0Register] == 0;
    }
}
