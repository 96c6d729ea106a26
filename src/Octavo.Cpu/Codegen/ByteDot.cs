using Iced.Intel;
using Octavo.Cpu.Panels;
using Octavo.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Octavo.Cpu.Codegen;

/// <summary>How bytes are multiplied with bytes on each instruction set.</summary>
internal static class ByteDot
{
    /// <summary>What 4-bit codes stand above their value without zero-points.</summary>
    public const int NibbleBias = 8;

    /// <summary>What 6-bit codes stand above their value.</summary>
    public const int SixBitBias = 32;

    /// <summary>Whether there is an instruction for unsigned by signed bytes.</summary>
    public static bool IsNative(InstructionSet isa) =>
        isa is InstructionSet.Amx or InstructionSet.Avx512Vnni or InstructionSet.AvxVnni;

    /// <summary>
    /// What codes stand above their value in a panel: of eight bits 128 where they must be unsigned, 0 where they are
    /// signed, and where they are unsigned already.
    /// </summary>
    public static int Bias(LinearScheme scheme, InstructionSet isa) => scheme.Minimums ? 0 : scheme.Weight switch
    {
        WeightCode.Int4 => NibbleBias,
        WeightCode.Int6 => SixBitBias,
        WeightCode.Int8 when scheme.Integer && isa != InstructionSet.Portable && TakesUnsigned(scheme, isa) => 128,
        WeightCode.Int8 or WeightCode.Float8 or WeightCode.Float16 or WeightCode.BFloat16 or WeightCode.Float32 => 0,
    };

    /// <summary>
    /// Whether weights are the unsigned factor: always of the instruction, where activations may be −128, and where
    /// codes have no sign.
    /// </summary>
    public static bool TakesUnsigned(LinearScheme scheme, InstructionSet isa) =>
        IsNative(isa) || scheme.AsymmetricInput || scheme.Minimums;
}

/// <summary>Integer sums: the correction that they begin with.</summary>
internal abstract class IntegerDecoder(TileEmitter tile, int biasShift) : WeightDecoder(tile)
{
    private int Zero0 => Free(2);

    private int Zero1 => Free(3);

    public override void EmitZeroPoints(int pass)
    {
        Vector.Load(Zero0, Of(pass, 0, 0, 4));
        Vector.Load(Zero1, Of(pass, 1, 0, 4));
    }

    public override void EmitCorrection(int row, AssemblerMemoryOperand negatedSum)
    {
        (int a0, int a1) = (Tile.Accumulator(row, 0), Tile.Accumulator(row, 1));
        if (Tile.Scheme.Asymmetric)
        {
            Vector.Broadcast(X, negatedSum);
            Vector.MultiplyInt32(a0, X, Zero0);
            Vector.MultiplyInt32(a1, X, Zero1);
        }
        else if (biasShift > 0 && !Tile.Scheme.Minimums)
        {
            Vector.Broadcast(X, negatedSum);
            Vector.ShiftLeftInt32(a0, X, (byte)biasShift);
            Vector.Copy(a1, a0);
        }
        else
        {
            Vector.Zero(a0);
            Vector.Zero(a1);
        }
    }

    /// <summary>Brings the 4-bit codes of four inputs into both vectors of weights.</summary>
    protected void EmitNibbles(int pass, int weights, int mask)
    {
        Vector.Load(W0, Tile.Weight(weights));
        if (Vector.Wide)
        {
            // One load for both vectors.
            Vector.ShiftRightInt32(W1, W0, 4);
        }
        else
        {
            Vector.Load(W1, Tile.Weight(weights + Vector.Size));
            if (pass == 1)
            {
                Vector.ShiftRightInt32(W0, W0, 4);
                Vector.ShiftRightInt32(W1, W1, 4);
            }
        }

        Vector.And(W0, W0, mask);
        Vector.And(W1, W1, mask);
    }
}

/// <summary>8-bit codes plus 128, and an instruction for them.</summary>
internal sealed class ByteDotDecoder(TileEmitter tile) : IntegerDecoder(tile, biasShift: 7)
{
    public override void EmitStep(int pass, int weights, int input)
    {
        Vector.Load(W0, Of(pass, 0, weights, 4));
        Vector.Load(W1, Of(pass, 1, weights, 4));
        for (int row = 0; row < Tile.RowCount; row++)
        {
            Vector.Broadcast(X, Tile.Input(row, input));
            Vector.DotBytes(Tile.Accumulator(row, 0), W0, X);
            Vector.DotBytes(Tile.Accumulator(row, 1), W1, X);
        }
    }
}

/// <summary>
/// 8-bit codes where no instruction sums four products: <c>w x = |w| · (x with w's sign)</c>, whose sums of two stay
/// within 16 bits (2 · 128 · 127), added up in pairs. At 256 bits there is an instruction for the sign, at 512 a mask
/// does it.
/// </summary>
internal sealed class SignedByteDotDecoder(TileEmitter tile) : IntegerDecoder(tile, biasShift: 0)
{
    private static readonly AssemblerRegisterK[] Negative = [k1, k2];

    private int Absolute0 => Free(0);

    private int Absolute1 => Free(1);

    private int Ones => Free(2);

    private int None => Free(3);

    public override void EmitConstants()
    {
        Vector.Fill(Ones, 0x0001_0001);
        if (Vector.Wide)
        {
            Vector.Zero(None);
        }
    }

    public override void EmitZeroPoints(int pass)
    {
        // Their registers are needed for the steps: the weights are not here yet.
        Vector.Load(W0, Of(pass, 0, 0, 4));
        Vector.Load(W1, Of(pass, 1, 0, 4));
    }

    public override void EmitCorrection(int row, AssemblerMemoryOperand negatedSum)
    {
        if (!Tile.Scheme.Asymmetric)
        {
            base.EmitCorrection(row, negatedSum);
            return;
        }

        Vector.Broadcast(X, negatedSum);
        Vector.MultiplyInt32(Tile.Accumulator(row, 0), X, W0);
        Vector.MultiplyInt32(Tile.Accumulator(row, 1), X, W1);
    }

    public override void EmitStep(int pass, int weights, int input)
    {
        for (int vector = 0; vector < 2; vector++)
        {
            int w = vector == 0 ? W0 : W1;
            Vector.Load(w, Of(pass, vector, weights, 4));
            Vector.AbsoluteBytes(vector == 0 ? Absolute0 : Absolute1, w);
            if (Vector.Wide)
            {
                Vector.MaskOfSigns(Negative[vector], w);
            }
        }

        for (int row = 0; row < Tile.RowCount; row++)
        {
            Vector.Broadcast(X, Tile.Input(row, input));
            for (int vector = 0; vector < 2; vector++)
            {
                if (Vector.Wide)
                {
                    Vector.Copy(T, X);
                    Vector.SubtractBytesWhere(Negative[vector], T, None, X);
                }
                else
                {
                    Vector.SignBytes(T, X, vector == 0 ? W0 : W1);
                }

                Vector.MultiplyAddBytes(T, vector == 0 ? Absolute0 : Absolute1, T);
                Vector.MultiplyAddInt16(T, T, Ones);
                Vector.AddInt32(Tile.Accumulator(row, vector), Tile.Accumulator(row, vector), T);
            }
        }
    }
}

/// <summary>
/// 8-bit codes plus 128 where no instruction sums four products and activations may be −128, which has no negative:
/// even and odd bytes apart, as a sum of two products could leave 16 bits.
/// </summary>
internal sealed class UnsignedByteDotDecoder(TileEmitter tile) : IntegerDecoder(tile, biasShift: 7)
{
    private int Even => Free(2);

    private int Ones => Free(3);

    public override void EmitConstants()
    {
        Vector.Fill(Even, 0x00FF_00FF);
        Vector.Fill(Ones, 0x0001_0001);
    }

    public override void EmitStep(int pass, int weights, int input)
    {
        for (int vector = 0; vector < 2; vector++)
        {
            (int odd, int even) = Weights(vector);
            Vector.Load(odd, Of(pass, vector, weights, 4));
            Vector.And(even, odd, Even);
            Vector.Xor(odd, odd, even);
        }

        for (int row = 0; row < Tile.RowCount; row++)
        {
            Vector.Broadcast(X, Tile.Input(row, input));
            for (int vector = 0; vector < 2; vector++)
            {
                (int odd, int even) = Weights(vector);
                int sum = Tile.Accumulator(row, vector);
                foreach (int w in (ReadOnlySpan<int>)[even, odd])
                {
                    Vector.MultiplyAddBytes(T, w, X);
                    Vector.MultiplyAddInt16(T, T, Ones);
                    Vector.AddInt32(sum, sum, T);
                }
            }
        }
    }

    private (int Odd, int Even) Weights(int vector) => vector == 0 ? (W0, Free(0)) : (W1, Free(1));
}

/// <summary>
/// 6-bit codes plus 32: four times the lower bits of four inputs, as 4-bit codes have them, then the higher bits of all
/// sixteen.
/// </summary>
internal sealed class SixBitDotDecoder(TileEmitter tile, bool native) : IntegerDecoder(tile, biasShift: 5)
{
    private const int Fours = 4;
    private const int BytesOfFour = 64;

    private int LowMask => T;

    private int HighMask => Free(0);

    private int Ones => Free(1);

    private int Part => Free(2);

    public override void EmitConstants()
    {
        Vector.Fill(LowMask, 0x0F0F_0F0F);
        Vector.Fill(HighMask, 0x3030_3030);
        if (!native)
        {
            Vector.Fill(Ones, 0x0001_0001);
        }
    }

    public override void EmitStep(int pass, int weights, int input)
    {
        int high = weights + (Fours * BytesOfFour) + (pass * BytesOfFour);
        for (int four = 0; four < Fours; four++)
        {
            EmitNibbles(pass, weights + (four * BytesOfFour), LowMask);
            EmitHigh(W0, high, four);
            EmitHigh(W1, high + Vector.Size, four);
            for (int row = 0; row < Tile.RowCount; row++)
            {
                Vector.Broadcast(X, Tile.Input(row, input + (four * sizeof(int))));
                for (int vector = 0; vector < 2; vector++)
                {
                    Multiply(Tile.Accumulator(row, vector), vector == 0 ? W0 : W1);
                }
            }
        }
    }

    /// <summary>Adds the two higher bits of four inputs, which stand at bits 2 · four of their bytes.</summary>
    private void EmitHigh(int weights, int high, int four)
    {
        const int Place = 4;
        int shift = Place - (2 * four);
        Vector.Load(Part, Tile.Weight(high));
        if (shift > 0)
        {
            Vector.ShiftLeftInt32(Part, Part, (byte)shift);
        }
        else if (shift < 0)
        {
            Vector.ShiftRightInt32(Part, Part, (byte)-shift);
        }

        Vector.And(Part, Part, HighMask);
        Vector.Xor(weights, weights, Part);
    }

    private void Multiply(int sum, int weights)
    {
        if (native)
        {
            Vector.DotBytes(sum, weights, X);
            return;
        }

        // 2 · 63 · 127 is within 16 bits.
        Vector.MultiplyAddBytes(Part, weights, X);
        Vector.MultiplyAddInt16(Part, Part, Ones);
        Vector.AddInt32(sum, sum, Part);
    }
}

/// <summary>
/// 4-bit codes plus 8: 64 bytes hold the codes of all 32 features, 0–15 in the low halves, 16–31 in the high.
/// </summary>
internal sealed class NibbleDotDecoder(TileEmitter tile, bool native) : IntegerDecoder(tile, biasShift: 3)
{
    private int Mask => T;

    private int Product => Free(0);

    private int Ones => Free(1);

    public override void EmitConstants()
    {
        Vector.Fill(Mask, 0x0F0F_0F0F);
        if (!native)
        {
            Vector.Fill(Ones, 0x0001_0001);
        }
    }

    public override void EmitStep(int pass, int weights, int input)
    {
        EmitNibbles(pass, weights, Mask);
        for (int row = 0; row < Tile.RowCount; row++)
        {
            Vector.Broadcast(X, Tile.Input(row, input));
            for (int vector = 0; vector < 2; vector++)
            {
                int w = vector == 0 ? W0 : W1;
                int sum = Tile.Accumulator(row, vector);
                if (native)
                {
                    Vector.DotBytes(sum, w, X);
                }
                else
                {
                    // 2 · 15 · 127 is far from 16 bits' end.
                    Vector.MultiplyAddBytes(Product, w, X);
                    Vector.MultiplyAddInt16(Product, Product, Ones);
                    Vector.AddInt32(sum, sum, Product);
                }
            }
        }
    }
}
