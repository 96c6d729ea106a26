using Octavo.Formats;

namespace Octavo.Testing;

/// <summary>Weight schemes by name: an attribute holds no record.</summary>
public static class Schemes
{
    /// <summary>The scheme of a name.</summary>
    public static WeightScheme Named(string name) =>
        WeightScheme.TryGet(name, out WeightScheme? scheme)
            ? scheme
            : throw new ArgumentException($"no scheme is called {name}", nameof(name));
}
