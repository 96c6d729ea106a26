using Octavo.Cpu.Linears;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Panels;
using Octavo.Models;

namespace Octavo.Cpu.Weights;

/// <summary>A norm's parameters as float32.</summary>
internal sealed unsafe class NormWeights : IDisposable
{
    private readonly DisposableStack _owned = new();
    private readonly NativeBuffer _weight;
    private readonly NativeBuffer? _bias;

    public NormWeights(NormSpec spec, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias)
    {
        Spec = spec;
        _weight = Copy(weight);
        foreach (ref float w in new Span<float>(_weight.Floats, weight.Length))
        {
            w += spec.WeightOffset;
        }

        _bias = bias.IsEmpty ? null : Copy(bias);
    }

    public NormSpec Spec { get; }

    public float* Weight => _weight.Floats;

    public float* Bias => _bias is null ? null : _bias.Floats;

    public void Dispose() => _owned.Dispose();

    private NativeBuffer Copy(ReadOnlySpan<float> values)
    {
        NativeBuffer buffer = _owned.Add(NativeBuffer.OfFloats(values.Length));
        values.CopyTo(new Span<float>(buffer.Floats, values.Length));
        return buffer;
    }
}

/// <summary>
/// Weights in the forms that this processor reads, packed one by one as they are asked for, and owned here.
/// </summary>
/// <param name="source">Where they come from.</param>
/// <param name="plan">How linear layers are stored.</param>
/// <param name="isa">The kernels that read them.</param>
/// <param name="packed">Hears the stored bytes of each linear layer that was packed; may throw to stop.</param>
/// <param name="copy">Where linear layers lie packed already; stays open as long as they are used.</param>
internal sealed unsafe class WeightStore(
    IWeightSource source, WeightPlan plan, InstructionSet isa, Action<long>? packed = null, PackedCopy? copy = null)
    : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    /// <summary>All linear layers so far.</summary>
    public IEnumerable<Linear> Linears => _owned.OfType<Linear>();

    /// <summary>Bytes of the packed matrices.</summary>
    public long Bytes { get; private set; }

    /// <summary>Packs a linear layer.</summary>
    public Linear Pack(LinearSpec spec)
    {
        PlannedMatrix matrix = plan[spec];
        Linear linear = copy is null ? new Linear(matrix.Source, matrix.Scheme, isa) : Find(spec.Name, matrix);
        _owned.Add(linear);
        source.LetGo(spec);
        Bytes += linear.Bytes;
        packed?.Invoke(matrix.Source.StoredBytes);
        return linear;
    }

    /// <summary>Loads a norm; null where there is none.</summary>
    public NormWeights? Load(NormSpec? spec)
    {
        if (spec is null)
        {
            return null;
        }

        (float[] weight, float[]? bias) = source.Norm(spec);
        var norm = new NormWeights(spec, weight, bias);
        _owned.Add(norm);
        return norm;
    }

    /// <summary>A few numbers; null where there are none.</summary>
    public NativeBuffer? Load(VectorSpec? spec)
    {
        if (spec is null)
        {
            return null;
        }

        float[] values = source.Vector(spec);
        NativeBuffer buffer = NativeBuffer.OfFloats(values.Length);
        _owned.Add(buffer);
        values.CopyTo(new Span<float>(buffer.Floats, values.Length));
        return buffer;
    }

    /// <summary>A table, read where it stands: its checkpoint stays open as long as it is used.</summary>
    public MatrixSource Open(TableSpec table) => source.Table(table);

    public void Dispose()
    {
        foreach (IDisposable owned in _owned)
        {
            owned.Dispose();
        }
    }

    private Linear Find(string name, PlannedMatrix matrix)
    {
        (nint panels, nint bias) = copy!.Find(name);
        return new Linear(new PackedPanels(matrix.Source, matrix.Scheme, (byte*)panels, (float*)bias), isa);
    }
}
