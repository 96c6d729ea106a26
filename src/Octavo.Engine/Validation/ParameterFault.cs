using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace Octavo.Engine;

/// <summary>A parameter within a message, which each face calls by its own name.</summary>
/// <param name="Name">The name in C#.</param>
public readonly record struct ParameterName(string Name);

/// <summary>
/// What is wrong with a parameter of a request, or an option: which rule it breaks by which value. Its text has the
/// names of C#; a face with names of its own asks for <see cref="Describe"/>.
/// </summary>
public sealed class ParameterFault
{
    private readonly FormattableString _rule;
    private readonly bool _isSentence;

    /// <summary>A parameter breaks a rule: "MaxTokens must be at least 1; it is 0".</summary>
    /// <param name="parameter">The parameter, in C#'s spelling (<c>MaxTokens</c>).</param>
    /// <param name="rule">What holds of it, with other parameters as <see cref="ParameterName"/>s.</param>
    /// <param name="value">What it is.</param>
    public ParameterFault(string parameter, FormattableString rule, object? value) =>
        (Parameter, _rule, Value) = (parameter, rule, value);

    /// <summary>A fault that takes a sentence of its own.</summary>
    /// <param name="parameter">The parameter, in C#'s spelling; null where it is about more than one.</param>
    /// <param name="sentence">
    /// The message, with parameters as <see cref="ParameterName"/>s; faults and sentences within it speak for
    /// themselves.
    /// </param>
    public ParameterFault(string? parameter, FormattableString sentence) =>
        (Parameter, _rule, _isSentence) = (parameter, sentence, true);

    /// <summary>
    /// The parameter to change, in C#'s spelling, a part of one after a dot; null where it is about several.
    /// </summary>
    public string? Parameter { get; }

    /// <summary>What must hold of it.</summary>
    public string Rule => Render(_rule, Same);

    /// <summary>What it is; null where the rule says it.</summary>
    public object? Value { get; }

    /// <summary>The message in the words of a face.</summary>
    /// <param name="nameOf">A parameter's name there.</param>
    public string Describe(Func<string, string> nameOf)
    {
        ArgumentNullException.ThrowIfNull(nameOf);
        string rule = Render(_rule, nameOf);
        object? value = Value is TimeSpan time ? TimeText.Of(time) : Value;
        return _isSentence
            ? rule
            : string.Create(CultureInfo.InvariantCulture, $"{nameOf(Parameter!)} {rule}; it is {value}");
    }

    /// <summary>The message in the names of C#.</summary>
    public override string ToString() => Describe(Same);

    private static string Same(string name) => name;

    // A message is the same in every culture.
    private static string Render(FormattableString text, Func<string, string> nameOf)
    {
        object?[] words = Array.ConvertAll(text.GetArguments(), argument => argument switch
        {
            ParameterName parameter => nameOf(parameter.Name),
            ParameterFault inner => inner.Describe(nameOf),
            FormattableString inner => Render(inner, nameOf),
            _ => argument,
        });
        return FormattableString.Invariant(FormattableStringFactory.Create(text.Format, words));
    }
}

/// <summary>Collects what is wrong, so that all of it is said at once.</summary>
internal static class ParameterFaults
{
    /// <summary>Notes a fault unless the rule holds.</summary>
    /// <param name="faults">What is wrong so far.</param>
    /// <param name="holds">Whether the rule holds.</param>
    /// <param name="parameter">The parameter, in C#'s spelling.</param>
    /// <param name="rule">The rule, such as "must be at least 1".</param>
    /// <param name="value">What the parameter is.</param>
    public static void Check(
        this ICollection<ParameterFault> faults, bool holds, string parameter, FormattableString rule, object? value)
    {
        ArgumentNullException.ThrowIfNull(faults);
        if (!holds)
        {
            faults.Add(new ParameterFault(parameter, rule, value));
        }
    }

    /// <summary>Notes a fault that takes a sentence of its own, unless the rule holds.</summary>
    /// <param name="faults">What is wrong so far.</param>
    /// <param name="holds">Whether the rule holds.</param>
    /// <param name="sentence">The message.</param>
    public static void Check(this ICollection<ParameterFault> faults, bool holds, FormattableString sentence)
    {
        ArgumentNullException.ThrowIfNull(faults);
        if (!holds)
        {
            faults.Add(new ParameterFault(null, sentence));
        }
    }

    /// <summary>Throws where a member of options is null, which would else show as a fault of its reader.</summary>
    /// <param name="member">The member.</param>
    /// <param name="name">Its name.</param>
    /// <exception cref="ArgumentNullException">It is null.</exception>
    public static void ThrowIfNull(
        [NotNull] object? member, [CallerArgumentExpression(nameof(member))] string? name = null) =>
        ArgumentNullException.ThrowIfNull(member, name);

    /// <summary>Throws where there is a fault.</summary>
    /// <exception cref="EngineConfigurationException">There is one; the exception names all.</exception>
    public static void ThrowIfAny(this IReadOnlyList<ParameterFault> faults)
    {
        ArgumentNullException.ThrowIfNull(faults);
        if (faults.Count > 0)
        {
            throw new EngineConfigurationException(faults);
        }
    }
}
