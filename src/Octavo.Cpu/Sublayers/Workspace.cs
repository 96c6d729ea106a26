using Octavo.Engine;

namespace Octavo.Cpu.Sublayers;

/// <summary>
/// What the parts of one kind share while a step runs, beyond what all kinds do (<see cref="StepState"/>): one part
/// runs at a time, so that a buffer of each purpose is enough for all layers. Made from the decoder, it says what it
/// will take; what it reserves belongs to the <see cref="StepState"/>.
/// </summary>
internal abstract class Workspace
{
    /// <summary>Floats for each token of a step.</summary>
    public abstract long FloatsPerToken { get; }

    /// <summary>Reserves the buffers.</summary>
    public abstract void Reserve(StepState step);

    /// <summary>Makes ready for a step, before the team starts.</summary>
    public virtual void Begin(StepBatch batch)
    {
    }
}
