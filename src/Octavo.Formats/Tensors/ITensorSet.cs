using System.Diagnostics.CodeAnalysis;

namespace Octavo.Formats;

/// <summary>Tensors by their names.</summary>
internal interface ITensorSet
{
    /// <summary>Where they stand, as errors call it.</summary>
    string Path { get; }

    /// <summary>The tensor of a name.</summary>
    /// <exception cref="CheckpointException">There is none.</exception>
    Tensor Get(string name);

    /// <summary>Finds the tensor of a name.</summary>
    bool TryGet(string name, [NotNullWhen(true)] out Tensor? tensor);

    /// <summary>Whether there is a tensor of this name.</summary>
    bool Contains(string name);
}
