using Octavo.Engine;

namespace Octavo.Cpu.Threading;

/// <summary>The team as the engine sees it between two steps.</summary>
internal sealed class WorkTeam(ThreadTeam team) : IWorkTeam, ITeamWork
{
    private Action<int, int> _body = (_, _) => { };
    private int _count;

    /// <inheritdoc/>
    public int Members => team.Count;

    /// <inheritdoc/>
    public void For(int count, Action<int, int> body)
    {
        if (count == 1)
        {
            body(0, 0);             // too little to share
            return;
        }

        (_count, _body) = (count, body);
        team.Run(this, leavesStragglers: true);
    }

    void ITeamWork.Run(TeamMember member) => member.Divide(_count, new Item(_body));

    private readonly struct Item(Action<int, int> body) : IOwnItems
    {
        public void Run(int item, TeamMember member) => body(item, member.Number);
    }
}
