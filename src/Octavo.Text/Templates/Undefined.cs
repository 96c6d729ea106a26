using System.Globalization;

namespace Octavo.Text.Templates;

/// <summary>
/// What is not there: a name, a member, an element. It prints as nothing, is false, empty and equal to its like; any
/// other use is a fault that says what is missing.
/// </summary>
/// <param name="name">What was asked for.</param>
/// <param name="hint">What errors say, where the name alone does not tell.</param>
internal sealed class Undefined(object? name, string? hint = null)
{
    private readonly bool _hasOwner;
    private readonly object? _owner;

    private Undefined(object? owner, object? name, string? hint)
        : this(name, hint) => (_owner, _hasOwner) = (owner, true);

    /// <summary>What a value does not have.</summary>
    public static Undefined Of(object? owner, object? name) => new(owner, name, null);

    /// <summary>What a value has, and no template may use.</summary>
    public static Undefined Unsafe(object? owner, string name) =>
        new(owner, name, $"access to attribute '{name}' of '{Types.Name(owner)}' object is unsafe");

    public TemplateFault Fault() => new(
        hint ?? (!_hasOwner ? $"'{name}' is undefined"
            : name is string ? $"'{OwnerName}' has no attribute '{name}'"
            : string.Create(CultureInfo.InvariantCulture, $"{OwnerName} has no element {Printing.Repr(name)}")));

    private string OwnerName => _owner is null ? "None" : $"{Types.Name(_owner)} object";
}
