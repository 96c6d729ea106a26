using Octavo.Cpu.Linears;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Sublayers;
using Octavo.Cpu.Weights;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Quantization.Methods;

namespace Octavo.Quantization.Calibration;

/// <summary>The residual streams of all samples at one place of the model, moved from layer to layer.</summary>
internal sealed unsafe class CalibrationStreams : IDisposable
{
    private readonly LayerWalk _walk;
    private readonly NativeBuffer _hidden;
    private readonly int _width;
    private readonly int _length;

    /// <summary>Begins with the embeddings of the samples.</summary>
    /// <param name="spec">The model.</param>
    /// <param name="checkpoint">Its weights.</param>
    /// <param name="set">The samples.</param>
    /// <param name="walk">Goes through the model; has room for a sample.</param>
    public CalibrationStreams(DecoderSpec spec, Checkpoint checkpoint, CalibrationSet set, LayerWalk walk)
    {
        (_width, _length, Samples, _walk) = (spec.HiddenSize, set.Length, set.Samples.Count, walk);
        _hidden = NativeBuffer.OfFloats((long)Samples * _length * _width);
        using Packed<Embedding> embedding = walk.PackEmbedding(new CheckpointSource(checkpoint));
        for (int sample = 0; sample < Samples; sample++)
        {
            walk.Embed(embedding, set.Samples[sample], Of(sample));
        }
    }

    private CalibrationStreams(CalibrationStreams other)
    {
        (_width, _length, Samples, _walk) = (other._width, other._length, other.Samples, other._walk);
        _hidden = NativeBuffer.OfFloats((long)Samples * _length * _width);
        Buffer.MemoryCopy(other._hidden.Pointer, _hidden.Pointer, _hidden.Length, _hidden.Length);
    }

    public int Samples { get; }

    /// <summary>A sample's stream, <c>[length][hidden]</c>.</summary>
    public float* Of(int sample) => _hidden.Floats + ((long)sample * _length * _width);

    /// <summary>The same streams again, to be moved elsewhere.</summary>
    public CalibrationStreams Copy() => new(this);

    /// <summary>Looks at what a layer's matrices are given; the streams stay where they are.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="blockOf">Of so many inputs, how many neighbours' products to keep.</param>
    /// <param name="step">Called after each sample.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>By the linear layers' names.</returns>
    public Dictionary<string, InputMoments> Observe(
        Packed<Sublayer[]> layer, Func<int, int> blockOf, Action step, CancellationToken cancellationToken)
    {
        (LinearSpec Spec, Linear Linear)[] linears = [.. layer.Part.SelectMany(sublayer => sublayer.Linears)];
        var moments =
            linears.ToDictionary(l => l.Spec.Name, l => new InputMoments(l.Spec.Columns, blockOf(l.Spec.Columns)));
        using var inputs = new InputRecorder(linears.Select(l => l.Linear), _length);
        using var scratch = NativeBuffer.OfFloats((long)_length * _width);
        for (int sample = 0; sample < Samples; sample++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            new Span<float>(Of(sample), _length * _width).CopyTo(new Span<float>(scratch.Floats, _length * _width));
            _walk.Run(layer.Part, scratch.Floats, _length, inputs);
            foreach ((LinearSpec spec, Linear linear) in linears)
            {
                moments[spec.Name].Add(inputs.Of(linear), _length);
            }

            step();
        }

        return moments;
    }

    /// <summary>Moves the streams behind a layer.</summary>
    public void Advance(Packed<Sublayer[]> layer, Action step, CancellationToken cancellationToken)
    {
        for (int sample = 0; sample < Samples; sample++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _walk.Run(layer.Part, Of(sample), _length);
            step();
        }
    }

    public void Dispose() => _hidden.Dispose();

    /// <summary>Keeps what linear layers are given for a sequence, <c>[rows][width]</c> each.</summary>
    private sealed class InputRecorder(IEnumerable<Linear> linears, int rows) : IInputTap, IDisposable
    {
        private readonly Dictionary<Linear, NativeBuffer> _inputs =
            linears.ToDictionary(l => l, l => NativeBuffer.OfFloats((long)rows * l.InFeatures));

        public float* Of(Linear linear) => _inputs[linear].Floats;

        public void Record(Linear linear, int row, float* input) =>
            new ReadOnlySpan<float>(input, linear.InFeatures).CopyTo(
                new Span<float>(Of(linear) + ((long)row * linear.InFeatures), linear.InFeatures));

        public void Dispose()
        {
            foreach (NativeBuffer buffer in _inputs.Values)
            {
                buffer.Dispose();
            }
        }
    }
}
