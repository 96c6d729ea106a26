using Octavo.Cpu;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Quantization.Methods;

namespace Octavo.Quantization;

/// <summary>Samples of one length that a model is calibrated on.</summary>
public sealed class CalibrationSet
{
    private CalibrationSet(IReadOnlyList<int[]> samples) => Samples = samples;

    /// <summary>The samples' tokens.</summary>
    public IReadOnlyList<int[]> Samples { get; }

    /// <summary>Tokens a sample.</summary>
    public int Length => Samples[0].Length;

    /// <summary>Joins documents and cuts samples out of them, evenly over the whole text.</summary>
    /// <param name="documents">Token ids by document.</param>
    /// <param name="count">The most samples.</param>
    /// <param name="length">Tokens a sample.</param>
    /// <exception cref="QuantizationException">The text is shorter than one sample.</exception>
    public static CalibrationSet Make(IReadOnlyList<int[]> documents, int count, int length)
    {
        ArgumentNullException.ThrowIfNull(documents);
        int[] all = [.. documents.SelectMany(d => d)];
        int there = all.Length / length;
        if (there == 0)
        {
            throw new QuantizationException($"the calibration text has {all.Length} tokens, fewer than one sample of {length}: take a longer text or shorter samples");
        }

        int taken = Math.Min(count, there);
        return new CalibrationSet([.. Enumerable.Range(0, taken).Select(i => (int)((long)i * there / taken) * length).Select(begin => all[begin..(begin + length)])]);
    }

    /// <summary>Some of the samples.</summary>
    internal CalibrationSet Where(Func<int, bool> takes) => new([.. Samples.Where((_, i) => takes(i))]);
}

/// <summary>The residual streams of all samples at one place of the model, moved from layer to layer.</summary>
internal sealed unsafe class CalibrationStreams : IDisposable
{
    private readonly DecoderSpec _spec;
    private readonly LayerPass _pass;
    private readonly NativeBuffer _hidden;
    private readonly int _length;
    private readonly bool _borrowed;     // the pass is another's

    public CalibrationStreams(DecoderSpec spec, Checkpoint checkpoint, CalibrationSet set)
    {
        (_spec, _length, Samples) = (spec, set.Length, set.Samples.Count);
        _pass = new LayerPass(spec, set.Length);
        _hidden = NativeBuffer.OfFloats((long)Samples * set.Length * spec.HiddenSize);
        for (int sample = 0; sample < Samples; sample++)
        {
            LayerPass.Embed(spec, checkpoint, set.Samples[sample], Of(sample));
        }
    }

    private CalibrationStreams(CalibrationStreams other)
    {
        (_spec, _length, Samples) = (other._spec, other._length, other.Samples);
        _pass = other._pass;
        _borrowed = true;
        _hidden = NativeBuffer.OfFloats((long)Samples * _length * _spec.HiddenSize);
        Buffer.MemoryCopy(other._hidden.Pointer, _hidden.Pointer, _hidden.Length, _hidden.Length);
    }

    public int Samples { get; }

    /// <summary>A sample's stream, <c>[length][hidden]</c>.</summary>
    public float* Of(int sample) => _hidden.Floats + ((long)sample * _length * _spec.HiddenSize);

    /// <summary>The same streams again, to be moved elsewhere; not while these are, and not after these are disposed of.</summary>
    public CalibrationStreams Copy() => new(this);

    /// <summary>Looks at what a layer's matrices are given; the streams stay where they are.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="blockOf">Of so many inputs, how many neighbours' products to keep.</param>
    /// <param name="step">Called after each sample.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public Dictionary<LinearRole, InputMoments> Observe(LayerWeights layer, Func<int, int> blockOf, Action step, CancellationToken cancellationToken)
    {
        Dictionary<LinearRole, InputMoments> moments = [];
        using var scratch = NativeBuffer.OfFloats((long)_length * _spec.HiddenSize);
        for (int sample = 0; sample < Samples; sample++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            new Span<float>(Of(sample), _length * _spec.HiddenSize).CopyTo(new Span<float>(scratch.Floats, _length * _spec.HiddenSize));
            _pass.Run(layer, scratch.Floats, _length, (role, x, rows, width) =>
            {
                if (!moments.TryGetValue(role, out InputMoments? of))
                {
                    of = new InputMoments(width, blockOf(width));
                    moments.Add(role, of);
                }

                of.Add(x, rows);
            });
            step();
        }

        return moments;
    }

    /// <summary>Moves the streams behind a layer.</summary>
    public void Advance(LayerWeights layer, Action step, CancellationToken cancellationToken)
    {
        for (int sample = 0; sample < Samples; sample++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _pass.Run(layer, Of(sample), _length);
            step();
        }
    }

    public void Dispose()
    {
        if (!_borrowed)
        {
            _pass.Dispose();
        }

        _hidden.Dispose();
    }
}
