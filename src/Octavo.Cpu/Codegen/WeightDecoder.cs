using Iced.Intel;
using Octavo.Cpu.Panels;
using Octavo.Formats;

namespace Octavo.Cpu.Codegen;

/// <summary>
/// What a tile does at each step: brings the weights of two vectors of features into registers, and multiplies them
/// with every row's activations. One for each way in which weights and activations are written.
/// </summary>
internal abstract class WeightDecoder(TileEmitter tile)
{
    protected TileEmitter Tile => tile;

    protected VectorAssembler Vector => tile.Vector;

    // The eight registers that hold no accumulators.
    protected int W0 => tile.FirstFree;

    protected int W1 => tile.FirstFree + 1;

    protected int X => tile.FirstFree + 2;

    protected int T => tile.FirstFree + 3;

    protected int Free(int index) => tile.FirstFree + 4 + index;

    public static WeightDecoder For(TileEmitter tile, InstructionSet isa) =>
        (tile.Scheme.Weight, tile.Scheme.Input) switch
        {
            (WeightCode.Float32, _) => new Float32Decoder(tile),
            (WeightCode.BFloat16, InputCode.BFloat16) => new BFloat16PairDecoder(tile),
            (WeightCode.BFloat16, _) => new BFloat16Decoder(tile),
            (WeightCode.Float16, _) => new Float16Decoder(tile),
            (WeightCode.Float8, _) => new Float8Decoder(tile),
            (WeightCode.Int8, InputCode.Int8) when ByteDot.IsNative(isa) => new ByteDotDecoder(tile),
            (WeightCode.Int8, InputCode.Int8) when ByteDot.TakesUnsigned(tile.Scheme, isa) =>
                new UnsignedByteDotDecoder(tile),
            (WeightCode.Int8, InputCode.Int8) => new SignedByteDotDecoder(tile),
            (WeightCode.Int4, InputCode.Int8) => new NibbleDotDecoder(tile, ByteDot.IsNative(isa)),
            (WeightCode.Int6, InputCode.Int8) => new SixBitDotDecoder(tile, ByteDot.IsNative(isa)),
            (WeightCode.Int6, _) => throw new NotSupportedException("6-bit codes meet 8-bit activations only"),
            (WeightCode.Int8, _) => new Int8Decoder(tile),
            (WeightCode.Int4, _) => new Int4Decoder(tile),
        };

    /// <summary>Fills the registers that stay the same in the whole function.</summary>
    public virtual void EmitConstants()
    {
    }

    /// <summary>Loads a group's zero-points, which stand where the weights pointer is.</summary>
    public virtual void EmitZeroPoints(int pass) => throw new NotSupportedException("no zero-points");

    /// <summary>Begins a row's integer sums with what its codes' bias would add, negated.</summary>
    /// <param name="row">The row.</param>
    /// <param name="negatedSum">Minus the sum of the row's activation codes in this group.</param>
    public virtual void EmitCorrection(int row, AssemblerMemoryOperand negatedSum) =>
        throw new NotSupportedException("no integer sums");

    /// <summary>One step.</summary>
    /// <param name="pass">Which pair of vectors of the panel.</param>
    /// <param name="weights">Where the step's weights stand, from the weights pointer.</param>
    /// <param name="input">Where its activations stand, from the rows' pointers.</param>
    public abstract void EmitStep(int pass, int weights, int input);

    /// <summary>Multiplies both vectors with every row, in float32.</summary>
    protected void MultiplyRows(int input)
    {
        for (int row = 0; row < tile.RowCount; row++)
        {
            Vector.Broadcast(X, tile.Input(row, input));
            Vector.MultiplyAdd(tile.Accumulator(row, 0), W0, X);
            Vector.MultiplyAdd(tile.Accumulator(row, 1), W1, X);
        }
    }

    /// <summary>Where a vector's weights stand in a step that takes so many bytes a feature.</summary>
    protected AssemblerMemoryOperand Of(int pass, int vector, int step, int bytesPerFeature) =>
        tile.Weight(step + (((pass * 2) + vector) * Vector.Lanes * bytesPerFeature));

    private sealed class Float32Decoder(TileEmitter tile) : WeightDecoder(tile)
    {
        public override void EmitStep(int pass, int weights, int input)
        {
            Vector.Load(W0, Of(pass, 0, weights, 4));
            Vector.Load(W1, Of(pass, 1, weights, 4));
            MultiplyRows(input);
        }
    }

    /// <summary>bfloat16 is the upper half of a float32.</summary>
    private sealed class BFloat16Decoder(TileEmitter tile) : WeightDecoder(tile)
    {
        public override void EmitStep(int pass, int weights, int input)
        {
            Vector.LoadUInt16(W0, Of(pass, 0, weights, 2));
            Vector.LoadUInt16(W1, Of(pass, 1, weights, 2));
            Vector.ShiftLeftInt32(W0, W0, 16);
            Vector.ShiftLeftInt32(W1, W1, 16);
            MultiplyRows(input);
        }
    }

    private sealed class BFloat16PairDecoder(TileEmitter tile) : WeightDecoder(tile)
    {
        public override void EmitStep(int pass, int weights, int input)
        {
            Vector.Load(W0, Of(pass, 0, weights, 4));
            Vector.Load(W1, Of(pass, 1, weights, 4));
            for (int row = 0; row < Tile.RowCount; row++)
            {
                Vector.Broadcast(X, Tile.Input(row, input));
                Vector.DotBFloat16(Tile.Accumulator(row, 0), W0, X);
                Vector.DotBFloat16(Tile.Accumulator(row, 1), W1, X);
            }
        }
    }

    private sealed class Float16Decoder(TileEmitter tile) : WeightDecoder(tile)
    {
        public override void EmitStep(int pass, int weights, int input)
        {
            Vector.LoadHalves(W0, Of(pass, 0, weights, 2));
            Vector.LoadHalves(W1, Of(pass, 1, weights, 2));
            MultiplyRows(input);
        }
    }

    /// <summary>
    /// E4M3's exponent and mantissa, moved to where float32 keeps them, are 2^120 too small, subnormals included.
    /// </summary>
    private sealed class Float8Decoder(TileEmitter tile) : WeightDecoder(tile)
    {
        private const uint SignExponentMantissa = 0x87F0_0000;
        private const uint TwoTo120 = (127 + 120) << 23;

        public override void EmitConstants()
        {
            Vector.Fill(Free(0), SignExponentMantissa);
            Vector.Fill(Free(1), TwoTo120);
        }

        public override void EmitStep(int pass, int weights, int input)
        {
            for (int vector = 0; vector < 2; vector++)
            {
                int w = vector == 0 ? W0 : W1;
                Vector.LoadSignedBytes(w, Of(pass, vector, weights, 1));
                Vector.ShiftLeftInt32(w, w, 20);
                Vector.And(w, w, Free(0));
                Vector.Multiply(w, w, Free(1));
            }

            MultiplyRows(input);
        }
    }

    /// <summary>8-bit codes and float32 activations.</summary>
    private sealed class Int8Decoder(TileEmitter tile) : WeightDecoder(tile)
    {
        public override void EmitZeroPoints(int pass)
        {
            Vector.Load(Free(0), Of(pass, 0, 0, 4));
            Vector.Load(Free(1), Of(pass, 1, 0, 4));
        }

        public override void EmitStep(int pass, int weights, int input)
        {
            for (int vector = 0; vector < 2; vector++)
            {
                int w = vector == 0 ? W0 : W1;
                if (Tile.Scheme.Minimums)
                {
                    Vector.LoadBytes(w, Of(pass, vector, weights, 1));
                }
                else
                {
                    Vector.LoadSignedBytes(w, Of(pass, vector, weights, 1));
                }

                if (Tile.Scheme is { Grouped: true, Asymmetric: true })
                {
                    Vector.SubtractInt32(w, w, Free(vector));
                }

                Vector.ToSingle(w, w);
            }

            MultiplyRows(input);
        }
    }

    /// <summary>4-bit codes and float32 activations: one byte holds a feature's codes of two inputs.</summary>
    private sealed class Int4Decoder(TileEmitter tile) : WeightDecoder(tile)
    {
        private int Mask => T;

        public override void EmitConstants()
        {
            Vector.Fill(Mask, 0x0F);
            if (!Tile.Scheme.Asymmetric)
            {
                Vector.Fill(Free(0), ByteDot.NibbleBias);
                Vector.Copy(Free(1), Free(0));
            }
        }

        public override void EmitZeroPoints(int pass)
        {
            Vector.Load(Free(0), Of(pass, 0, 0, 4));
            Vector.Load(Free(1), Of(pass, 1, 0, 4));
        }

        public override void EmitStep(int pass, int weights, int input)
        {
            for (int half = 0; half < 2; half++)
            {
                for (int vector = 0; vector < 2; vector++)
                {
                    int w = vector == 0 ? W0 : W1;
                    int both = Free(2 + vector);
                    if (half == 0)
                    {
                        Vector.LoadBytes(both, Of(pass, vector, weights, 1));
                        Vector.And(w, both, Mask);
                    }
                    else
                    {
                        Vector.ShiftRightInt32(w, both, 4);
                    }

                    if (!Tile.Scheme.Minimums)
                    {
                        Vector.SubtractInt32(w, w, Free(vector));
                    }

                    Vector.ToSingle(w, w);
                }

                MultiplyRows(input + (half * sizeof(float)));
            }
        }
    }
}
