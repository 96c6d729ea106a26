using Octavo.Cpu.Memory;
using Octavo.Models;

namespace Octavo.Cpu.Sublayers;

/// <summary>
/// Cosines and sines of every position's angles, <c>[positions][headDim / 2]</c>, computed in double precision.
/// </summary>
internal sealed unsafe class RotaryTable : IDisposable
{
    private readonly NativeBuffer _cos;
    private readonly NativeBuffer _sin;
    private readonly int _half;

    public RotaryTable(RotaryPositions positions, int headDim, int maxModelLen)
    {
        double[] frequencies = positions.InverseFrequencies(headDim);
        _half = frequencies.Length;
        _cos = NativeBuffer.OfFloats((long)maxModelLen * _half);
        try
        {
            _sin = NativeBuffer.OfFloats((long)maxModelLen * _half);
        }
        catch
        {
            _cos.Dispose();
            throw;
        }

        for (int position = 0; position < maxModelLen; position++)
        {
            for (int i = 0; i < _half; i++)
            {
                (double sin, double cos) = Math.SinCos(position * frequencies[i]);
                Cos(position)[i] = (float)cos;
                Sin(position)[i] = (float)sin;
            }
        }
    }

    public float* Cos(int position) => _cos.Floats + ((long)position * _half);

    public float* Sin(int position) => _sin.Floats + ((long)position * _half);

    public void Dispose()
    {
        _cos.Dispose();
        _sin.Dispose();
    }
}

/// <summary>The tables of a decoder's layers: those that rotate alike share one.</summary>
/// <param name="maxModelLen">Positions a table has.</param>
internal sealed class RotaryTables(int maxModelLen) : IDisposable
{
    private readonly Dictionary<(RotaryPositions Positions, int HeadDim), RotaryTable> _tables = [];

    public RotaryTable For(RotaryPositions positions, int headDim)
    {
        if (!_tables.TryGetValue((positions, headDim), out RotaryTable? table))
        {
            table = new RotaryTable(positions, headDim, maxModelLen);
            _tables.Add((positions, headDim), table);
        }

        return table;
    }

    public void Dispose()
    {
        foreach (RotaryTable table in _tables.Values)
        {
            table.Dispose();
        }
    }
}
