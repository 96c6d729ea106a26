using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Octavo.Cpu.Codegen;

/// <summary>
/// The vector instructions that kernels need, at 512 bits (AVX-512) or 256 (AVX2, EVEX forms avoided), so that an
/// emitter is written once. A register is named by its number; there are 32 wide ones or 16 narrow ones.
/// </summary>
internal sealed class VectorAssembler(Assembler code, bool wide)
{
    private static readonly AssemblerRegisterZMM[] Z =
    [
        zmm0, zmm1, zmm2, zmm3, zmm4, zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11, zmm12, zmm13, zmm14, zmm15,
        zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31,
    ];

    private static readonly AssemblerRegisterYMM[] Y =
        [ymm0, ymm1, ymm2, ymm3, ymm4, ymm5, ymm6, ymm7, ymm8, ymm9, ymm10, ymm11, ymm12, ymm13, ymm14, ymm15];

    private static readonly AssemblerRegisterXMM[] X =
        [xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15];

    private delegate void Three<in T>(T destination, T left, T right);

    private delegate void FromMemory<in T>(T destination, AssemblerMemoryOperand source);

    private delegate void Shifted<in T>(T destination, T source, byte count);

    public bool Wide => wide;

    /// <summary>Bytes in a register.</summary>
    public int Size => wide ? 64 : 32;

    /// <summary>Lanes of four bytes.</summary>
    public int Lanes => Size / 4;

    public void Load(int d, AssemblerMemoryOperand m) => Do(code.vmovups, code.vmovups, d, m);

    public void Store(AssemblerMemoryOperand m, int s)
    {
        if (wide)
        {
            code.vmovups(m, Z[s]);
        }
        else
        {
            code.vmovups(m, Y[s]);
        }
    }

    public void Copy(int d, int s)
    {
        if (wide)
        {
            code.vmovaps(Z[d], Z[s]);
        }
        else
        {
            code.vmovaps(Y[d], Y[s]);
        }
    }

    public void Zero(int d) => Do(code.vpxord, code.vpxor, d, d, d);

    /// <summary>One value of four bytes into every lane.</summary>
    public void Broadcast(int d, AssemblerMemoryOperand m) => Do(code.vpbroadcastd, code.vpbroadcastd, d, m);

    /// <summary>A constant into every lane; takes ebx for it.</summary>
    public void Fill(int d, uint value)
    {
        code.mov(ebx, value);
        if (wide)
        {
            code.vpbroadcastd(Z[d], ebx);
        }
        else
        {
            code.vmovd(X[d], ebx);
            code.vpbroadcastd(Y[d], X[d]);
        }
    }

    public void And(int d, int a, int b) => Do(code.vpandd, code.vpand, d, a, b);

    public void Xor(int d, int a, int b) => Do(code.vpxord, code.vpxor, d, a, b);

    public void AddInt32(int d, int a, int b) => Do(code.vpaddd, code.vpaddd, d, a, b);

    public void SubtractInt32(int d, int a, int b) => Do(code.vpsubd, code.vpsubd, d, a, b);

    public void MultiplyInt32(int d, int a, int b) => Do(code.vpmulld, code.vpmulld, d, a, b);

    public void ShiftLeftInt32(int d, int s, byte count) => Do(code.vpslld, code.vpslld, d, s, count);

    public void ShiftRightInt32(int d, int s, byte count) => Do(code.vpsrld, code.vpsrld, d, s, count);

    public void Multiply(int d, int a, int b) => Do(code.vmulps, code.vmulps, d, a, b);

    /// <summary><c>d += a · b</c>, rounded once.</summary>
    public void MultiplyAdd(int d, int a, int b) => Do(code.vfmadd231ps, code.vfmadd231ps, d, a, b);

    /// <summary><c>d = d · a + m</c>, rounded once.</summary>
    public void MultiplyAddTo(int d, int a, AssemblerMemoryOperand m)
    {
        if (wide)
        {
            code.vfmadd213ps(Z[d], Z[a], m);
        }
        else
        {
            code.vfmadd213ps(Y[d], Y[a], m);
        }
    }

    /// <summary><c>d += Σ₂ a · b</c> of bfloat16 pairs.</summary>
    public void DotBFloat16(int d, int a, int b) => code.vdpbf16ps(Z[d], Z[a], Z[b]);

    /// <summary><c>d += Σ₄ unsigned byte · signed byte</c>.</summary>
    public void DotBytes(int d, int unsigned, int signed)
    {
        if (wide)
        {
            code.vpdpbusd(Z[d], Z[unsigned], Z[signed]);
        }
        else
        {
            code.vex.vpdpbusd(Y[d], Y[unsigned], Y[signed]);
        }
    }

    /// <summary>Sixteen-bit sums of two unsigned by signed byte products; saturates.</summary>
    public void MultiplyAddBytes(int d, int unsigned, int signed) =>
        Do(code.vpmaddubsw, code.vpmaddubsw, d, unsigned, signed);

    /// <summary>Thirty-two-bit sums of two sixteen-bit products.</summary>
    public void MultiplyAddInt16(int d, int a, int b) => Do(code.vpmaddwd, code.vpmaddwd, d, a, b);

    public void AbsoluteBytes(int d, int s)
    {
        if (wide)
        {
            code.vpabsb(Z[d], Z[s]);
        }
        else
        {
            code.vpabsb(Y[d], Y[s]);
        }
    }

    /// <summary><c>d = a</c> where b's bytes are positive, <c>−a</c> where negative; AVX2 only.</summary>
    public void SignBytes(int d, int a, int b) => code.vpsignb(Y[d], Y[a], Y[b]);

    /// <summary>The sign bits of s's bytes into a mask; AVX-512 only.</summary>
    public void MaskOfSigns(AssemblerRegisterK mask, int s) => code.vpmovb2m(mask, Z[s]);

    /// <summary><c>d = a − b</c> in the bytes that the mask names; the others of d stay. AVX-512 only.</summary>
    public void SubtractBytesWhere(AssemblerRegisterK mask, int d, int a, int b) =>
        code.vpsubb(WithMask(Z[d], mask), Z[a], Z[b]);

    public void ToSingle(int d, int s)
    {
        if (wide)
        {
            code.vcvtdq2ps(Z[d], Z[s]);
        }
        else
        {
            code.vcvtdq2ps(Y[d], Y[s]);
        }
    }

    /// <summary>Halves (float16) in memory to float32.</summary>
    public void LoadHalves(int d, AssemblerMemoryOperand m) => Do(code.vcvtph2ps, code.vcvtph2ps, d, m);

    /// <summary>Unsigned sixteen-bit numbers in memory to thirty-two bits.</summary>
    public void LoadUInt16(int d, AssemblerMemoryOperand m) => Do(code.vpmovzxwd, code.vpmovzxwd, d, m);

    /// <summary>Unsigned bytes in memory to thirty-two bits.</summary>
    public void LoadBytes(int d, AssemblerMemoryOperand m) => Do(code.vpmovzxbd, code.vpmovzxbd, d, m);

    /// <summary>Signed bytes in memory to thirty-two bits.</summary>
    public void LoadSignedBytes(int d, AssemblerMemoryOperand m) => Do(code.vpmovsxbd, code.vpmovsxbd, d, m);

    private static AssemblerRegisterZMM WithMask(AssemblerRegisterZMM register, AssemblerRegisterK mask) =>
        mask == k1 ? register.k1 : register.k2;

    private void Do(Three<AssemblerRegisterZMM> z, Three<AssemblerRegisterYMM> y, int d, int a, int b)
    {
        if (wide)
        {
            z(Z[d], Z[a], Z[b]);
        }
        else
        {
            y(Y[d], Y[a], Y[b]);
        }
    }

    private void Do(Shifted<AssemblerRegisterZMM> z, Shifted<AssemblerRegisterYMM> y, int d, int s, byte count)
    {
        if (wide)
        {
            z(Z[d], Z[s], count);
        }
        else
        {
            y(Y[d], Y[s], count);
        }
    }

    private void Do(
        FromMemory<AssemblerRegisterZMM> z, FromMemory<AssemblerRegisterYMM> y, int d, AssemblerMemoryOperand m)
    {
        if (wide)
        {
            z(Z[d], m);
        }
        else
        {
            y(Y[d], m);
        }
    }
}
