
namespace Octavo.Lab.Measuring;

/// <summary>Numbers that look random and are the same in every run (xorshift32, Marsaglia 2003).</summary>
/// <param name="seed">Not 0.</param>
internal struct Noise(uint seed)
{
    private uint _state = seed;

    /// <summary>The next number, at least −1 and below 1.</summary>
    public float Next()
    {
        _state ^= _state << 13;
        _state ^= _state >> 17;
        _state ^= _state << 5;
        return ((_state >> 8) / (float)(1 << 23)) - 1;
    }
}
