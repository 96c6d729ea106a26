namespace Octavo.Formats;

/// <summary>One tensor of a file's header, checked: <c>Begin..End</c> are bytes from the start of the data.</summary>
internal sealed record TensorEntry(string Name, TensorType Type, long[] Shape, long ElementCount, long Begin, long End);
