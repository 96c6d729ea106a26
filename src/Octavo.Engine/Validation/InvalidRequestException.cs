namespace Octavo.Engine;

/// <summary>
/// A request that cannot be run as it stands: which parameter breaks which rule by which value. The message has the names
/// of C#; a face with names of its own asks for <see cref="Describe"/>.
/// </summary>
public sealed class InvalidRequestException : Exception
{
    /// <summary>A parameter breaks a rule: "MaxTokens must be at least 1; it is 0".</summary>
    /// <param name="parameter">The parameter, in C#'s spelling (<c>MaxTokens</c>).</param>
    /// <param name="rule">What holds of it, with other parameters as <see cref="ParameterName"/>s.</param>
    /// <param name="value">What it is.</param>
    public InvalidRequestException(string parameter, FormattableString rule, object? value)
        : this(parameter, new ParameterFault(parameter, rule, value))
    {
    }

    /// <summary>A parameter is at fault in a way that takes a sentence of its own.</summary>
    /// <param name="parameter">The parameter, in C#'s spelling (<c>MaxTokens</c>).</param>
    /// <param name="sentence">
    /// The message, with parameters as <see cref="ParameterName"/>s; a <see cref="ParameterFault"/> within it speaks for itself.
    /// </param>
    public InvalidRequestException(string parameter, FormattableString sentence)
        : this(parameter, new ParameterFault(parameter, sentence))
    {
    }

    private InvalidRequestException(string parameter, ParameterFault fault)
        : base(fault.ToString()) => (Parameter, Fault) = (parameter, fault);

    /// <summary>The parameter to change, in C#'s spelling; a part of one after a dot.</summary>
    public string Parameter { get; }

    /// <summary>What must hold of it.</summary>
    public string Rule => Fault.Rule;

    /// <summary>What it is; null where the rule says it.</summary>
    public object? Value => Fault.Value;

    /// <summary>What is wrong with it.</summary>
    public ParameterFault Fault { get; }

    /// <summary>True where the prompt is longer than the model's context.</summary>
    public bool IsContextLength { get; init; }

    /// <summary>The message in the words of a face.</summary>
    /// <param name="nameOf">A parameter's name there.</param>
    public string Describe(Func<string, string> nameOf) => Fault.Describe(nameOf);
}
