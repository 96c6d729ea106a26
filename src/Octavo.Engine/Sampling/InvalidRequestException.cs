using System.Globalization;
using System.Runtime.CompilerServices;

namespace Octavo.Engine;

/// <summary>
/// A request that cannot be run as it stands: which parameter breaks which rule by which value. The message has the names
/// of C#; a face with names of its own asks for <see cref="Describe"/>.
/// </summary>
public sealed class InvalidRequestException : Exception
{
    private readonly FormattableString _rule;
    private readonly bool _isSentence;

    /// <summary>A parameter breaks a rule: "MaxTokens must be at least 1; it is 0".</summary>
    /// <param name="parameter">The parameter, in C#'s spelling (<c>MaxTokens</c>).</param>
    /// <param name="rule">What holds of it, with other parameters as <see cref="ParameterName"/>s.</param>
    /// <param name="value">What it is.</param>
    public InvalidRequestException(string parameter, FormattableString rule, object? value)
        : base(Join(parameter, Render(rule, Same), value)) => (Parameter, _rule, Value) = (parameter, rule, value);

    /// <summary>A parameter is at fault in a way that takes a sentence of its own.</summary>
    /// <param name="parameter">The parameter, in C#'s spelling (<c>MaxTokens</c>).</param>
    /// <param name="sentence">
    /// The message, with parameters as <see cref="ParameterName"/>s; an exception of this type within it speaks for itself.
    /// </param>
    public InvalidRequestException(string parameter, FormattableString sentence)
        : base(Render(sentence, Same)) => (Parameter, _rule, _isSentence) = (parameter, sentence, true);

    /// <summary>The parameter to change, in C#'s spelling; a part of one after a dot.</summary>
    public string Parameter { get; }

    /// <summary>What must hold of it.</summary>
    public string Rule => Render(_rule, Same);

    /// <summary>What it is; null where the rule says it.</summary>
    public object? Value { get; }

    /// <summary>True where the prompt is longer than the model's context.</summary>
    public bool IsContextLength { get; init; }

    /// <summary>The message in the words of a face.</summary>
    /// <param name="nameOf">A parameter's name there.</param>
    public string Describe(Func<string, string> nameOf)
    {
        ArgumentNullException.ThrowIfNull(nameOf);
        string rule = Render(_rule, nameOf);
        return _isSentence ? rule : Join(nameOf(Parameter), rule, Value);
    }

    private static string Same(string name) => name;

    private static string Join(string name, string rule, object? value) =>
        string.Create(CultureInfo.InvariantCulture, $"{name} {rule}; it is {value}");

    // A message is the same in every culture.
    private static string Render(FormattableString text, Func<string, string> nameOf)
    {
        object?[] words = Array.ConvertAll(text.GetArguments(), argument => argument switch
        {
            ParameterName parameter => nameOf(parameter.Name),
            InvalidRequestException inner => inner.Describe(nameOf),
            _ => argument,
        });
        return FormattableString.Invariant(FormattableStringFactory.Create(text.Format, words));
    }
}

/// <summary>A parameter within a message, which each face calls by its own name.</summary>
/// <param name="Name">The name in C#.</param>
public readonly record struct ParameterName(string Name);
