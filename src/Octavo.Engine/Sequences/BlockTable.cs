namespace Octavo.Engine.Sequences;

/// <summary>Where the keys and values of a sequence stand, in the layers of one kind of cache.</summary>
internal sealed class BlockTable
{
    /// <summary>Position / block size → block.</summary>
    public List<int> Blocks { get; } = [];

    /// <summary>So many of the first blocks are findable in the prefix cache, or an equal block is.</summary>
    public int NumPublished { get; set; }
}
