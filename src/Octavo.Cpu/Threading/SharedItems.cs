using Octavo.Engine;

namespace Octavo.Cpu.Threading;

/// <summary>
/// A team's members as the engine uses them between steps: each takes the next piece of work there is.
/// </summary>
internal sealed class SharedItems(ThreadTeam team) : IWorkTeam, ITeamWork
{
    private Action<int, int>? _body;
    private int _count;
    private int _taken;

    /// <inheritdoc/>
    public int Members => team.Count;

    /// <inheritdoc/>
    public void For(int count, Action<int, int> body)
    {
        (_body, _count, _taken) = (body, count, 0);
        team.Run(this);
    }

    /// <inheritdoc/>
    public void Run(int worker)
    {
        int item;
        while ((item = Interlocked.Increment(ref _taken) - 1) < _count)
        {
            _body!(item, worker);
        }
    }
}
