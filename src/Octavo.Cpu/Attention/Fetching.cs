using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Octavo.Cpu.Cache;
using Octavo.Cpu.Codegen;
using Octavo.Engine;

namespace Octavo.Cpu.Attention;

/// <summary>
/// What the softmax of one row fetches: its share of the second halves, group by group and line by line, since memory
/// answers faster in that order; a few lines for every sixteen keys.
/// </summary>
internal unsafe ref struct Fetching
{
    private readonly byte** _values;
    private readonly byte** _nextKeys;
    private readonly int _bytes;
    private readonly int _linesAtOnce;
    private byte* _line;
    private byte* _end;
    private int _group;
    private readonly int _lastGroup;

    public Fetching(AttentionScratch scratch, in KvLayout layout, byte** values, int groups, int row, int rows)
    {
        int half = groups - (groups / 2);
        _values = values;
        _nextKeys = scratch.HasNext ? scratch.NextKeys : values;
        _bytes = layout.ValueGroupBytes;

        // Groups count twice here: even numbers are values, odd ones keys. A row below 0 fetches nothing.
        _group = row < 0 ? 0 : (2 * (groups / 2)) + (2 * half * row / rows) - 1;
        _lastGroup = row < 0 ? 0 : (2 * (groups / 2)) + (2 * half * (row + 1) / rows) - 1;
        _linesAtOnce = row < 0 ? 0 : ((_lastGroup - _group) * (_bytes / 64) / groups) + 1;
    }

    /// <summary>
    /// Which memory is fetched while the partition is computed, in even steps: the first product asks for the first
    /// half of the values (for two of four groups), the second for the first half of the next keys (a part of a group
    /// for each that it computes), the rows' softmax for both second halves.
    /// </summary>
    public static void Plan(in AttentionLayout layout, AttentionScratch scratch, int groups)
    {
        for (int g = 0; g < groups; g++)
        {
            scratch.AheadOfScore[g] = scratch.Values[(g / 4 * 2) + (g % 2)];
        }

        // Int8 values are gone through twice: each time the next keys of a quarter of the groups are fetched.
        bool twice = layout.Kv.Format == KvCacheFormat.Int8;
        int parts = twice ? 4 : 2;
        int part = layout.FetchedByGather * layout.Kv.ValueSteps * 64;
        byte** next = scratch.HasNext ? scratch.NextKeys : scratch.Values;
        for (int g = 0; g < groups; g++)
        {
            scratch.AheadOfGather[g] = next[g / parts] + (g % parts * part);
            if (twice)
            {
                scratch.AheadOfGather[AttentionLayout.PartitionGroups + g] =
                    next[(groups + g) / parts] + (g % parts * part);
            }
        }
    }

    /// <summary>Asks for the next few lines.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Fetch()
    {
        for (int i = 0; Sse.IsSupported && i < _linesAtOnce; i++)
        {
            if (_line == _end)
            {
                if (_group == _lastGroup)
                {
                    return;
                }

                _group++;
                _line = (_group % 2 == 0 ? _values : _nextKeys)[_group / 2];
                _end = _line + _bytes;
            }

            Sse.Prefetch0(_line);
            _line += 64;
        }
    }
}
