namespace Octavo.Engine.Sequences;

/// <summary>Where the keys and values of a sequence stand, in the layers of one cache group.</summary>
internal sealed class BlockTable
{
    /// <summary>In place of a block that was given back.</summary>
    public const int None = -1;

    /// <summary>Position / block size → block, or <see cref="None"/> before <see cref="FirstHeld"/>.</summary>
    public List<int> Blocks { get; } = [];

    /// <summary>The first block that was not given back.</summary>
    public int FirstHeld { get; set; }

    /// <summary>So many of the first blocks are findable in the prefix cache, or equal ones are.</summary>
    public int NumPublished { get; set; }
}
