namespace Octavo.Engine;

/// <summary>
/// Engine settings that cannot work together, with the model or on this machine: all that is wrong with them.
/// </summary>
public sealed class EngineConfigurationException : Exception
{
    /// <summary>Refuses settings.</summary>
    /// <param name="faults">What is wrong with them.</param>
    public EngineConfigurationException(IReadOnlyList<ParameterFault> faults)
        : base(string.Join("; ", faults)) => Faults = faults;

    /// <summary>Refuses settings.</summary>
    /// <param name="sentence">What is wrong with them, with options as <see cref="ParameterName"/>s.</param>
    public EngineConfigurationException(FormattableString sentence)
        : this([new ParameterFault(null, sentence)])
    {
    }

    /// <summary>What is wrong.</summary>
    public IReadOnlyList<ParameterFault> Faults { get; }

    /// <summary>The message in the words of a face.</summary>
    /// <param name="nameOf">An option's name there.</param>
    public string Describe(Func<string, string> nameOf) => string.Join("; ", Faults.Select(f => f.Describe(nameOf)));
}
