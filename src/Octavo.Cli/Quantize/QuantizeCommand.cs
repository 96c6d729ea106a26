using System.CommandLine;
using System.Diagnostics;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Quantization;
using Octavo.Quantization.Calibration;
using Octavo.Quantization.Methods;
using Octavo.Quantization.Writing;
using Octavo.Text;
using Octavo.Text.Files;

namespace Octavo.Cli.Quantize;

/// <summary><c>octavo quantize</c>: makes a quantized checkpoint.</summary>
internal sealed class QuantizeCommand
{
    private const int DefaultSamples = 128;
    private const int DefaultLength = 512;

    private readonly Argument<string?> _model = new("MODEL")
    {
        Description = ModelLocator.Takes + "; unquantized. [default: the bundled story-teller, tales]",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _scheme = OptionKinds.Text(
        "--scheme",
        string.Join('|', WeightScheme.QuantizedNames),
        "What weights, and activations where the scheme says so, become.");
    private readonly Option<string?> _output = OptionKinds
        .Text("--output", "DIR", "The directory to write; it must not be there.");

    private readonly Option<QuantizationMethod> _method = OptionKinds.Choice(
        "--method",
        "How codes are found: rtn rounds to nearest and needs no text; the others are calibrated.",
        ("rtn", QuantizationMethod.Rtn),
        ("smoothquant", QuantizationMethod.SmoothQuant),
        ("gptq", QuantizationMethod.Gptq),
        ("awq", QuantizationMethod.Awq));

    private readonly Option<string?> _calibration = OptionKinds.Text(
        "--calibration",
        "FILE",
        "Text to calibrate on: plain, documents separated by lines of <|endoftext|>, or .jsonl with a field text. "
            + "[default: the stories that come with Octavo]");

    private readonly Option<int?> _samples = OptionKinds
        .Integer("--samples", "Most samples to calibrate on. [default: 128]");
    private readonly Option<int?> _length = OptionKinds.Integer(
        "--sample-length", "Tokens a sample. [default: 512, or the model's longest sequence where that is less]");
    private readonly Option<int?> _group = OptionKinds.Integer("--group-size", "Inputs that share a scale, in schemes "
        + "that have groups. [default: the largest of 128, 64, 32 that divides the inputs of every matrix]");
    private readonly Option<bool> _asymmetric = OptionKinds.Switch("--asymmetric", "Give integer weights zero-points.");

    private readonly Option<ObserverKind> _observer = OptionKinds.Choice(
        "--observer",
        "How the range of a group's weights is chosen: auto is mse for four bits, minmax for eight and with "
            + "--max-quality-loss.",
        ("auto", ObserverKind.Auto),
        ("minmax", ObserverKind.MinMax),
        ("percentile", ObserverKind.Percentile),
        ("mse", ObserverKind.Mse));

    private readonly Option<double?> _percentile = OptionKinds.Number(
        "--percentile", "For --observer percentile: the percentage of magnitudes inside the range. [default: 99.9]");
    private readonly Option<double?> _strength = OptionKinds.Number("--smoothing-strength", "For smoothquant: from 0, "
        + "all difficulty stays in the activations, to 1, all goes into the weights. [default: 0.5]");
    private readonly Option<double?> _damping = OptionKinds
        .Number("--damping", "For gptq: what is added to the diagonal, as a fraction of its mean. [default: 0.01]");
    private readonly Option<int?> _block = OptionKinds
        .Integer("--block-size", "For gptq: columns that are made good within at once. [default: 128]");
    private readonly Option<bool> _noOrder = OptionKinds.Switch(
        "--no-act-order", "For gptq: take columns as they stand, instead of those of the strongest inputs first.");
    private readonly Option<bool> _head = OptionKinds.Switch(
        "--quantize-head",
        "Quantize the output head, too, to eight bits at least; one tied to the embedding is untied.");

    private readonly Option<string?> _loss = OptionKinds.Text(
        "--max-quality-loss",
        "P%",
        "Choose a scheme for each layer: the cheapest of the named one, int8 and none at all whose increase of "
            + "perplexity stays within P.");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new QuantizeCommand();
        var command = new Command(
            "quantize", "Write a quantized copy of a model, in the compressed-tensors format of vLLM.")
        {
            it._model, it._scheme, it._output, it._method, it._calibration, it._samples, it._length, it._group,
            it._asymmetric, it._observer, it._percentile, it._strength, it._damping, it._block, it._noOrder, it._head,
            it._loss,
        };
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        string output = result.GetValue(_output) ?? throw new UsageException(
            "--output is missing: name the directory to write");
        QuantizationRecipe recipe = Recipe(result);
        double? mostLoss = result.GetValue(_loss) is { } text ? ParsePercent(text) : null;
        string path = ModelLocator.Find(result.GetValue(_model));
        output = Path.TrimEndingDirectorySeparator(output);
        ModelQuantizer.RequireWritable(output);
        using var interrupt = new Interrupt();
        ModelSource source = ModelSource.Open(path);
        recipe = For(source, recipe);
        CalibrationSet? calibration = recipe.NeedsCalibration || mostLoss is not null
            ? Calibration(result, source)
            : null;
        long started = Stopwatch.GetTimestamp();
        try
        {
            if (mostLoss is { } loss)
            {
                recipe = QuantizePlan.Choose(source, recipe, calibration!, loss, interrupt.Token);
            }

            using var bar = new WorkBar("quantizing");
            ModelQuantizer.Run(source, output, recipe, calibration, bar, interrupt.Token);
        }
        catch (OperationCanceledException)
        {
            Stdio.Error.WriteLine(Directory.Exists(output + ".partial") ? "stopped; the same command goes on from "
                + $"{output}.partial" : "stopped; nothing was written yet");
            throw;
        }

        Summarize(source, output, Stopwatch.GetElapsedTime(started));
        Stdio.Out.WriteLine(
            $"form: {recipe.Scheme}; other engines: {OtherEngines.Verdict(recipe)} (docs/quantization.md)");
        Stdio.Out.Flush();
        return ExitCode.Success;
    }

    private QuantizationRecipe Recipe(ParseResult result)
    {
        string name = result.GetValue(_scheme) ?? throw new UsageException(
            $"--scheme is missing: one of {string.Join(", ", WeightScheme.QuantizedNames)}");
        WeightScheme scheme = Named(_scheme, () => QuantizationRecipe.SchemeNamed(name));
        RefuseOfOtherMethods(result);
        int? asked = result.GetValue(_group);
        Check(asked is null or >= 1, $"--group-size must be at least 1; it is {asked}");
        Check(
            scheme.IsGrouped || asked is null,
            $"--group-size does not go with {name}, which has a scale for each channel");
        int group = asked ?? scheme.GroupSize;
        bool asymmetric = result.GetValue(_asymmetric);
        Check(!asymmetric || scheme.Kind == Formats.Stored.CodeKind.Integer, "--asymmetric does not go with fp8");
        scheme = scheme with { GroupSize = group, Asymmetric = asymmetric };
        var defaults = new QuantizationRecipe { Scheme = scheme };
        double percentile = result.GetValue(_percentile) ?? (defaults.Observer.Percentile * 100);
        Check(percentile is > 0 and <= 100, $"--percentile must be above 0 and at most 100; it is {percentile}");
        ObserverKind kind = result.GetValue(_observer);
        if (kind == ObserverKind.Auto && result.GetValue(_loss) is not null)
        {
            kind = ObserverKind.MinMax;      // the losses of layers add up more nearly than those of ranges cut short
        }

        double strength = result.GetValue(_strength) ?? defaults.SmoothingStrength;
        Check(strength is >= 0 and <= 1, $"--smoothing-strength must be between 0 and 1; it is {strength}");
        double damping = result.GetValue(_damping) ?? defaults.Gptq.Damping;
        Check(damping is > 0 and < 1, $"--damping must be above 0 and below 1; it is {damping}");
        int block = result.GetValue(_block) ?? defaults.Gptq.BlockSize;
        Check(block >= 1, $"--block-size must be at least 1; it is {block}");
        return defaults with
        {
            Method = result.GetValue(_method),
            Observer = new Observer(kind, percentile / 100),
            SmoothingStrength = strength,
            Gptq = new Gptq(damping, !result.GetValue(_noOrder), block),
            Head = result.GetValue(_head) ? scheme.ForHead : null,
        };
    }

    // What would do nothing is refused, so that nobody believes that it did something.
    private void RefuseOfOtherMethods(ParseResult result)
    {
        QuantizationMethod method = result.GetValue(_method);
        bool planned = result.GetValue(_loss) is not null;
        Refuse(method != QuantizationMethod.Gptq, "--method gptq", _damping, _block, _noOrder);
        Refuse(method != QuantizationMethod.SmoothQuant, "--method smoothquant", _strength);
        Refuse(result.GetValue(_observer) != ObserverKind.Percentile, "--observer percentile", _percentile);
        Refuse(
            method == QuantizationMethod.Rtn && !planned,
            "a method that is calibrated, or --max-quality-loss",
            _calibration,
            _samples,
            _length);

        void Refuse(bool idle, string with, params Option[] options)
        {
            if (idle && Array.Find(options, o => result.GetResult(o) is { Implicit: false }) is { } option)
            {
                throw new UsageException($"{option.Name} goes with {with} only: it would do nothing here");
            }
        }
    }

    /// <summary>The recipe for a model; what is unusual about its group is said.</summary>
    private QuantizationRecipe For(ModelSource source, QuantizationRecipe recipe)
    {
        using Checkpoint checkpoint = ModelQuantizer.OpenUnquantized(source);
        ModelDescription model = ModelCatalog.Describe(source, checkpoint);
        EngineLoader.WriteNotes(model.Notes);      // what is not read is not written either
        string? warning = null;
        QuantizationRecipe made = recipe.Scheme.GroupSize == WeightScheme.AutoGroup
            ? recipe.For(model.Spec, out warning)
            : Named(_group, () => recipe.For(model.Spec, out _));
        if (warning is not null)
        {
            Stdio.Error.WriteLine("warning: " + warning);
        }

        return made;
    }

    private CalibrationSet Calibration(ParseResult result, ModelSource source)
    {
        string file = result.GetValue(_calibration) ?? ModelLocator.BundledText("calib.txt");
        int samples = result.GetValue(_samples) ?? DefaultSamples;
        Check(samples >= 1, $"--samples must be at least 1; it is {samples}");
        IReadOnlyList<string> documents = TextCorpus.Read(file);
        using Checkpoint checkpoint = ModelQuantizer.OpenUnquantized(source);
        ModelDescription description = ModelCatalog.Describe(source, checkpoint);
        int most = description.Spec.MaxPositionEmbeddings;
        int length = result.GetValue(_length) ?? Math.Min(DefaultLength, most);
        Check(
            length >= 2 && length <= most,
            $"--sample-length must be between 2 and the model's {most} positions; it is {length}");
        Tokenizer tokenizer = Tokenizer.Load(new TokenizerFiles(source.NameOf, source.Read));
        return CalibrationSet.Make(
            TextCorpus.Tokenize(documents, tokenizer, description.BosTokenId ?? tokenizer.BosTokenId), samples, length);
    }

    // What the bench has against the value of an option, under the option's name.
    private static T Named<T>(Option option, Func<T> use)
    {
        try
        {
            return use();
        }
        catch (QuantizationException e)
        {
            throw new UsageException($"{option.Name}: {e.Message}");
        }
    }

    private static void Summarize(ModelSource source, string output, TimeSpan time)
    {
        using Checkpoint before = source.OpenCheckpoint();
        using Checkpoint after = ModelSource.Open(output).OpenCheckpoint();
        using var process = Process.GetCurrentProcess();
        Stdio.Out.WriteLine(
            $"{output}: {ByteSize.Format(after.TotalBytes)} of tensors, from {ByteSize.Format(before.TotalBytes)}, in "
            + $"{time.TotalSeconds:0.0} s");
        Stdio.Out.WriteLine($"peak memory: {ByteSize.Format(process.PeakWorkingSet64)}");
    }

    private static double ParsePercent(string text)
    {
        string number = text.EndsWith('%') ? text[..^1] : text;
        return double.TryParse(number, System.Globalization.CultureInfo.InvariantCulture, out double percent)
            && percent > 0
            && double.IsFinite(percent)
            ? percent / 100
            : throw new UsageException($"--max-quality-loss takes a percentage above 0, such as 1%; it is '{text}'");
    }

    private static void Check(bool holds, string message)
    {
        UsageException.ThrowIf(!holds, message);
    }
}
