using System.Runtime.CompilerServices;

namespace Octavo.Engine.Sampling;

/// <summary>
/// What is kept of a row: the tokens above a threshold, and those equal to it up to a last one, since of equal tokens
/// the lower id comes first.
/// </summary>
/// <param name="Threshold">The least logit that is kept.</param>
/// <param name="LastTie">The last token of exactly that logit that is kept.</param>
internal readonly record struct Cut(float Threshold, int LastTie)
{
    /// <summary>Every token that may be drawn at all.</summary>
    public static Cut None { get; } = AtLeast(float.MinValue);

    /// <summary>All tokens of at least this logit.</summary>
    public static Cut AtLeast(float logit) => new(logit, int.MaxValue);

    /// <summary>1 where a token is kept, 0 where not.</summary>
    public int Ones(float logit, int token) =>
        Unsafe.BitCast<bool, byte>((logit > Threshold) | ((logit == Threshold) & (token <= LastTie)));

    /// <summary>What both keep.</summary>
    public Cut And(Cut other) => Threshold > other.Threshold
        || (Threshold == other.Threshold && LastTie <= other.LastTie) ? this : other;
}
