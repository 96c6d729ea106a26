namespace Octavo.Cli.Terminal;

/// <summary>A command line that asks for something impossible; the message says what to change.</summary>
internal sealed class UsageException(string message) : Exception(message)
{
    /// <summary>Refuses a command line where something is wrong with it.</summary>
    /// <param name="wrong">Whether there is.</param>
    /// <param name="message">What to change.</param>
    /// <exception cref="UsageException">There is.</exception>
    public static void ThrowIf(bool wrong, string message)
    {
        if (wrong)
        {
            throw new UsageException(message);
        }
    }
}
