namespace Octavo.Engine.Sampling;

/// <summary>
/// Philox 4×32 with ten rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a counter-based
/// generator. A draw depends on its key and counter alone, so a token's draw does not depend on what else was drawn.
/// </summary>
internal static class Philox
{
    /// <summary>A number in [0, 1) with 53 random bits, for one token of one completion under one seed.</summary>
    public static double Uniform(long seed, int completion, int position)
    {
        (uint a, uint b, _, _) = Block(
            ((uint)position, (uint)completion, 0u, 0u), ((uint)seed, (uint)((ulong)seed >> 32)));
        return ((((ulong)a << 32) | b) >> 11) * (1.0 / (1UL << 53));
    }

    public static (uint X, uint Y, uint Z, uint W) Block((uint X, uint Y, uint Z, uint W) counter, (uint X, uint Y) key)
    {
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = 0xD2511F53UL * counter.X;
            ulong p1 = 0xCD9E8D57UL * counter.Z;
            counter = ((uint)(p1 >> 32) ^ counter.Y ^ key.X, (uint)p1, (uint)(p0 >> 32) ^ counter.W ^ key.Y, (uint)p0);
            key = (key.X + 0x9E3779B9u, key.Y + 0xBB67AE85u);
        }

        return counter;
    }
}
