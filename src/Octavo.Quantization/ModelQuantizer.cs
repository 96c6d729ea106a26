using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Octavo.Cpu.Sublayers;
using Octavo.Cpu.Weights;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Quantization.Calibration;
using Octavo.Quantization.Methods;
using Octavo.Quantization.Workbench;
using Octavo.Quantization.Writing;

namespace Octavo.Quantization;

/// <summary>
/// Quantizes a model layer by layer and writes it in compressed-tensors form. At any time one layer is in memory as
/// float32, beside the calibration samples' residual streams; each layer is calibrated on what the quantized layers
/// before it give.
/// </summary>
public sealed class ModelQuantizer
{
    private readonly ModelSource _source;
    private readonly Checkpoint _checkpoint;
    private readonly ModelDescription _description;
    private readonly QuantizationRecipe _recipe;
    private readonly CalibrationSet? _calibration;
    private readonly IProgress<BenchProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private long _done;

    private ModelQuantizer(
        ModelSource source, Checkpoint checkpoint, QuantizationRecipe recipe, CalibrationSet? calibration,
        IProgress<BenchProgress>? progress, CancellationToken cancellationToken)
    {
        (_source, _checkpoint, _calibration, _progress, _cancellation) =
            (source, checkpoint, calibration, progress, cancellationToken);
        _description = ModelCatalog.Describe(source, checkpoint);
        _recipe = recipe.For(Spec, out _);
    }

    private DecoderSpec Spec => _description.Spec;

    /// <summary>Quantizes a model.</summary>
    /// <param name="model">The model's directory, or its name on the hub: <c>ORG/NAME[@REVISION]</c>.</param>
    /// <param name="output">The directory to be written; it must not be there.</param>
    /// <param name="recipe">How.</param>
    /// <param name="calibration">What the recipe is calibrated on, where it needs that.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <param name="cancellationToken">Stops it; a later run with the same arguments goes on.</param>
    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    /// <exception cref="HubException">The model is not on the hub, or cannot be fetched.</exception>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not supported.</exception>
    /// <exception cref="QuantizationException">It cannot be done as asked, or cannot be written.</exception>
    public static void Run(
        string model,
        string output,
        QuantizationRecipe recipe,
        CalibrationSet? calibration = null,
        IProgress<BenchProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(model);
        ArgumentNullException.ThrowIfNull(recipe);
        string path = ModelPath.Find(model, cancellationToken: cancellationToken);
        Run(ModelSource.Open(path), output, recipe, calibration, progress, cancellationToken);
    }

    /// <summary>Quantizes a model whose directory is open.</summary>
    /// <inheritdoc cref="Run(string, string, QuantizationRecipe, CalibrationSet?, IProgress{BenchProgress}?,
    /// CancellationToken)"/>
    /// <param name="source">The model.</param>
    /// <param name="output">The directory to be written; it must not be there.</param>
    /// <param name="recipe">How.</param>
    /// <param name="calibration">What the recipe is calibrated on, where it needs that.</param>
    /// <param name="progress">Hears how far it is.</param>
    /// <param name="cancellationToken">Stops it; a later run with the same arguments goes on.</param>
    /// <exception cref="QuantizationException">It cannot be done as asked, or cannot be written.</exception>
    internal static void Run(
        ModelSource source, string output, QuantizationRecipe recipe, CalibrationSet? calibration,
        IProgress<BenchProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        OutputDirectory.RequireWritable(output);
        using Checkpoint checkpoint = OpenUnquantized(source);
        QuantizationException.ThrowIf(
            recipe.NeedsCalibration && calibration is null,
            $"{recipe.Method.ToString().ToLowerInvariant()} needs a calibration text");

        try
        {
            new ModelQuantizer(
                source, checkpoint, recipe, recipe.NeedsCalibration ? calibration : null, progress,
                cancellationToken).Run(output);
        }
        catch (IOException e)
        {
            string partial = $"{output}.partial";
            string kept = Directory.Exists(partial)
                ? $"; what is done so far stays in {partial}, and the same command goes on from there"
                : string.Empty;
            throw new QuantizationException($"{output} cannot be written: {e.Message.TrimEnd('.')}{kept}", e);
        }
    }

    /// <summary>Checks before hours of work that a directory can be written.</summary>
    /// <exception cref="QuantizationException">It cannot, or something has the name already.</exception>
    public static void RequireWritable(string output) => OutputDirectory.RequireWritable(output);

    /// <summary>Opens a model's weights, which must be numbers.</summary>
    /// <exception cref="QuantizationException">They are quantized already.</exception>
    internal static Checkpoint OpenUnquantized(ModelSource source)
    {
        Checkpoint checkpoint = source.OpenCheckpoint();
        if (checkpoint.Quantization is not { } already)
        {
            return checkpoint;
        }

        checkpoint.Dispose();
        throw new QuantizationException(
            $"{source.Path} is quantized already ({already.Method}: {already.Summary}); quantize the model that "
                + "it was made from");
    }

    private void Run(string output)
    {
        // What can be refused is refused before there is a directory.
        MatrixSpec? transposed =
            Spec.Linears.SelectMany(linear => linear.Matrices).FirstOrDefault(matrix => matrix.Names.Transposed);
        QuantizationException.ThrowIf(
            transposed is not null,
            $"{Spec.Architecture} stores the columns of its matrices as rows ({transposed?.Names.Weight}), which "
                + "compressed-tensors has no form for: quantize it as it is loaded, with --quantization");
        Dictionary<string, WeightScheme> schemes = Schemes(out List<string> ignored);
        using LayerWalk? walk = _calibration is null ? null : new LayerWalk(Spec, _calibration.Length);
        using CalibrationStreams? streams = walk is null
            ? null
            : new CalibrationStreams(Spec, _checkpoint, _calibration!, walk);
        var written = new OutputDirectory(output, Spec.NumLayers, Fingerprint());
        try
        {
            written.WriteConfig(_source.Config.Json, _recipe.Head is not null && Spec.TiesHead, schemes, ignored);
            Write(written, walk, streams);
        }
        catch
        {
            written.DiscardWithoutLayers();
            throw;
        }
    }

    private void Write(OutputDirectory written, LayerWalk? walk, CalibrationStreams? streams)
    {
        GoThroughDone(written, walk, streams);
        for (int layer = written.LayersDone; layer < Spec.NumLayers; layer++)
        {
            _cancellation.ThrowIfCancellationRequested();
            WriteLayer(layer, written, walk, streams);
            Garbage.Return();
        }

        written.Finish(_source, Rest());
    }

    private void WriteLayer(int layer, OutputDirectory written, LayerWalk? walk, CalibrationStreams? streams)
    {
        var work = new LayerUnderWork(Spec, _checkpoint, layer);
        Dictionary<string, CodedMatrix> coded = QuantizeLayer(work, walk, streams);
        written.WriteLayer(layer, LayerTensors(work, coded));
        Step(streams is null ? 1 : 0, layer);
    }

    /// <summary>Takes the streams through what an earlier run has written.</summary>
    private void GoThroughDone(OutputDirectory written, LayerWalk? walk, CalibrationStreams? streams)
    {
        if (written.LayersDone == 0 || walk is null || streams is null)
        {
            Step(streams is null ? written.LayersDone : 0, written.LayersDone);
            return;
        }

        using Checkpoint done = ModelSource.Open(written.Partial).OpenCheckpoint();
        for (int layer = 0; layer < written.LayersDone; layer++)
        {
            int now = layer;
            using Packed<Sublayer[]> packed = walk.PackLayer(Spec.Layers[layer], new CheckpointSource(done));
            streams.Advance(packed, () => Step(2, now), _cancellation);
        }
    }

    private Dictionary<string, CodedMatrix> QuantizeLayer(
        LayerUnderWork work, LayerWalk? walk, CalibrationStreams? streams)
    {
        if (walk is null || streams is null)
        {
            return LayerQuantizer.Run(work, new Dictionary<string, InputMoments>(), _recipe);
        }

        Dictionary<string, InputMoments> moments;
        using (Packed<Sublayer[]> plain = walk.PackLayer(work.Spec, new CheckpointSource(_checkpoint)))
        {
            moments = streams.Observe(
                plain, width => LayerQuantizer.ProductBlock(_recipe, width), () => Step(1, work.Index), _cancellation);
        }

        Dictionary<string, CodedMatrix> coded = LayerQuantizer.Run(work, moments, _recipe);
        using Packed<Sublayer[]> quantized = walk.PackLayer(work.Spec, work.With(coded));
        streams.Advance(quantized, () => Step(1, work.Index), _cancellation);
        return coded;
    }

    private IEnumerable<TensorSource> LayerTensors(LayerUnderWork work, Dictionary<string, CodedMatrix> coded)
    {
        foreach (VectorSpec vector in work.Spec.Vectors)
        {
            yield return Copy(_checkpoint.Get(vector.Name), vector.Name);
        }

        foreach (FloatMatrix matrix in work.Linears.SelectMany(linear => linear.Matrices))
        {
            if (coded.TryGetValue(matrix.Module, out CodedMatrix? codes))
            {
                foreach (TensorSource tensor in CompressedTensorsWriter.Tensors(codes))
                {
                    yield return tensor;
                }
            }
            else
            {
                yield return new TensorSource(
                    matrix.Spec.Names.Weight, matrix.StoredType, [matrix.Rows, matrix.Columns],
                    StoredNumbers.Bytes(matrix.Data, matrix.StoredType));
            }

            if (matrix.Bias is { } bias)
            {
                yield return Copy(bias, bias.Name);
            }
        }

        // Parts beside each other may read one norm, which nobody has changed then.
        foreach (FloatNorm norm in work.Parts.SelectMany(part => part.Norms).DistinctBy(norm => norm.Spec.Names))
        {
            if (norm.Spec is not { Names: { Weight: { } weight } names, Heads: var heads })
            {
                continue;
            }

            yield return new TensorSource(
                weight, norm.StoredType, heads == 1 ? [norm.Weight.Length] : [heads, norm.Spec.Width],
                StoredNumbers.Bytes(norm.Weight, norm.StoredType));
            if (norm.Bias is { } bias)
            {
                yield return new TensorSource(
                    names.Bias!, norm.StoredType, [bias.Length], StoredNumbers.Bytes(bias, norm.StoredType));
            }
        }
    }

    /// <summary>The tensors of no layer: embeddings, the last norm, the head.</summary>
    private IEnumerable<TensorSource> Rest()
    {
        DecoderSpec ends = Spec.WithoutLayers();
        IEnumerable<LinearSpec> kept = ends.Linears.Where(l => l.Role != LinearRole.OutputHead || _recipe.Head is null);
        IEnumerable<string?> names =
        [
            .. ends.Tables.Select(table => table.Name),
            .. kept.SelectMany(linear => linear.Matrices).SelectMany(matrix => matrix.Names.All),
            .. ends.Norms.SelectMany(norm => norm.Names.All),
            _recipe.Head is null ? null : Spec.OutputHead?.Bias,
        ];
        foreach (string name in names.OfType<string>())
        {
            yield return Copy(_checkpoint.Get(name), name);
        }

        if (_recipe.Head is { } scheme)
        {
            FloatMatrix head = FloatMatrix.Load(_checkpoint, Spec.Head.Matrices[0]);
            CodedMatrix coded = RoundToNearest.Quantize(head, scheme, _recipe.Observer);
            foreach (TensorSource tensor in CompressedTensorsWriter.Tensors(coded))
            {
                yield return new TensorSource(
                    tensor.Name.Replace(head.Module, HeadModule, StringComparison.Ordinal), tensor.Type,
                    [.. tensor.Shape], tensor.WriteTo);
            }
        }
    }

    private string HeadModule => Spec.OutputHead?.Module ?? "lm_head";

    private Dictionary<string, WeightScheme> Schemes(out List<string> ignored)
    {
        Dictionary<string, WeightScheme> schemes = [];
        ignored = [];
        for (int layer = 0; layer < Spec.NumLayers; layer++)
        {
            foreach (LinearSpec linear in Spec.Layers[layer].Linears)
            {
                IEnumerable<string> modules = linear.Stored.Select(m => m.Names.Module);
                if (_recipe.SchemeOf(layer, linear.Role) is not { } scheme)
                {
                    ignored.AddRange(modules);
                    continue;
                }

                foreach (string module in modules)
                {
                    schemes.Add(module, scheme);
                }
            }
        }

        IEnumerable<LinearSpec> projections = Spec.WithoutLayers().Linears.Where(l => l.Role != LinearRole.OutputHead);
        ignored.AddRange(projections.SelectMany(linear => linear.Matrices).Select(matrix => matrix.Names.Module));
        if (_recipe.Head is { } head)
        {
            schemes.Add(HeadModule, head);
        }
        else
        {
            ignored.Add(HeadModule);
        }

        return schemes;
    }

    private static TensorSource Copy(Tensor tensor, string name) => new(name, tensor.Type, [.. tensor.Shape], stream =>
    {
        const int AtOnce = 1 << 22;
        for (long at = 0; at < tensor.ByteLength; at += AtOnce)
        {
            stream.Write(tensor.Bytes(at, (int)Math.Min(AtOnce, tensor.ByteLength - at)));
        }
    });

    private void Step(int units, int layer)
    {
        _done += units;
        long total = (long)Spec.NumLayers * (_calibration is null ? 1 : 2 * _calibration.Samples.Count);
        _progress?.Report(new BenchProgress(
            _done, total, string.Create(CultureInfo.InvariantCulture, $"layer {layer + 1} of {Spec.NumLayers}")));
    }

    /// <summary>What must be the same for a run to go on where another stopped.</summary>
    private string Fingerprint()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Path.GetFullPath(_source.Path)} {_checkpoint.TotalBytes} "
            + $"{_recipe with { Exceptions = new Dictionary<(int, LinearRole), WeightScheme?>() }} ");
        foreach (((int layer, LinearRole role), WeightScheme? scheme) in _recipe.Exceptions.OrderBy(e => e.Key))
        {
            text.Append(CultureInfo.InvariantCulture, $"{layer} {role} {scheme} ");
        }

        foreach (int[] sample in _calibration?.Samples ?? [])
        {
            text.Append(Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(sample.AsSpan()))));
        }

        return text.ToString();
    }
}
