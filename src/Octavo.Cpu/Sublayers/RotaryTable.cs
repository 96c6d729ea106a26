using Octavo.Cpu.Memory;
using Octavo.Models;

namespace Octavo.Cpu.Sublayers;

/// <summary>
/// Cosines and sines of every position's angles, <c>[positions][pairs]</c>, computed in double precision.
/// </summary>
internal sealed unsafe class RotaryTable : IDisposable
{
    private readonly NativeBuffer _values;     // cosines of all positions, then sines
    private readonly long _sines;
    private readonly int _half;

    public RotaryTable(RotaryPositions positions, int headDim, int maxModelLen)
    {
        positions = positions.ForLength(maxModelLen);
        double[] frequencies = positions.InverseFrequencies(headDim);
        _half = frequencies.Length;
        _sines = (long)maxModelLen * _half;
        _values = NativeBuffer.OfFloats(2 * _sines);
        for (int position = 0; position < maxModelLen; position++)
        {
            for (int i = 0; i < _half; i++)
            {
                (double sin, double cos) = Math.SinCos(position * frequencies[i]);
                Cos(position)[i] = (float)(cos * positions.AttentionFactor);
                Sin(position)[i] = (float)(sin * positions.AttentionFactor);
            }
        }
    }

    public float* Cos(int position) => _values.Floats + ((long)position * _half);

    public float* Sin(int position) => Cos(position) + _sines;

    public void Dispose() => _values.Dispose();
}

/// <summary>The tables of a decoder's layers: those that rotate alike share one.</summary>
/// <param name="maxModelLen">Positions a table has.</param>
internal sealed class RotaryTables(int maxModelLen) : IDisposable
{
    private readonly DisposableStack _owned = new();
    private readonly Dictionary<(RotaryPositions Positions, int HeadDim), RotaryTable> _tables = [];

    public RotaryTable For(RotaryPositions positions, int headDim)
    {
        if (!_tables.TryGetValue((positions, headDim), out RotaryTable? table))
        {
            table = _owned.Add(new RotaryTable(positions, headDim, maxModelLen));
            _tables.Add((positions, headDim), table);
        }

        return table;
    }

    public void Dispose() => _owned.Dispose();
}
