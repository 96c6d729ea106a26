namespace Octavo.Engine;

/// <summary>
/// Threads that share work between two steps of a runner. What a piece of work does must not depend on who does it.
/// </summary>
internal interface IWorkTeam
{
    /// <summary>Members, the caller among them: as many as need scratch space of their own.</summary>
    int Members { get; }

    /// <summary>Does <paramref name="count"/> pieces of work, each once, and returns when all are done.</summary>
    /// <param name="count">Pieces of work.</param>
    /// <param name="body">Does one, given its number and the number of the member who does it. Must not throw.</param>
    void For(int count, Action<int, int> body);
}

/// <summary>The caller alone.</summary>
internal sealed class CallerOnly : IWorkTeam
{
    private CallerOnly()
    {
    }

    /// <summary>The one there is.</summary>
    public static CallerOnly Instance { get; } = new();

    /// <inheritdoc/>
    public int Members => 1;

    /// <inheritdoc/>
    public void For(int count, Action<int, int> body)
    {
        for (int i = 0; i < count; i++)
        {
            body(i, 0);
        }
    }
}
