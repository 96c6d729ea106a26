using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// The names of the tensors that a model's files hold: a family asks them how its own are called, and whether a head is
/// stored. Where there are no files, only a configuration, none is known, and names are the usual ones.
/// </summary>
internal sealed class TensorNames(Checkpoint? checkpoint)
{
    /// <summary>No files.</summary>
    public static TensorNames None { get; } = new(null);

    /// <summary>Whether a tensor is stored.</summary>
    public bool Contains(string name) => checkpoint?.Contains(name) ?? false;
}
