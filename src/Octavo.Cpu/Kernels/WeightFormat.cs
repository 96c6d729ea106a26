namespace Octavo.Cpu.Kernels;

/// <summary>How weight matrices are stored for this processor, and the arithmetic that follows from it.</summary>
public enum WeightFormat
{
    /// <summary>Four bytes a weight, float32 arithmetic.</summary>
    Float32,

    /// <summary>Two bytes a weight; checkpoints in bfloat16 lose nothing. Activations are bfloat16 where the processor
    /// multiplies those, float32 elsewhere.</summary>
    BFloat16,

    /// <summary>Two bytes a weight, float32 arithmetic; checkpoints in float16 lose nothing.</summary>
    Float16,

    /// <summary>One byte a weight (E4M3) with a scale for each output channel, float32 arithmetic.</summary>
    Float8,

    /// <summary>W8A8: one byte a weight and an activation, each with a scale for every 128 inputs.</summary>
    Int8,

    /// <summary>W8A8: one byte a weight with a scale for each output channel, one an activation with a scale for each token.</summary>
    Int8Channel,

    /// <summary>W8A16: one byte a weight with a scale for every 128 inputs, float32 arithmetic.</summary>
    Int8Weight,

    /// <summary>W4A8: half a byte a weight with a scale for every 128 inputs, activations as in <see cref="Int8"/>.</summary>
    Int4,

    /// <summary>W4A16: half a byte a weight with a scale for every 128 inputs, float32 arithmetic.</summary>
    Int4Weight,
}
