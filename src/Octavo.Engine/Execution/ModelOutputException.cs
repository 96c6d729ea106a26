namespace Octavo.Engine;

/// <summary>
/// The model computed what no answer can be made of: its weights, or the arithmetic over them, are at fault.
/// </summary>
public sealed class ModelOutputException(string message) : Exception(message);
