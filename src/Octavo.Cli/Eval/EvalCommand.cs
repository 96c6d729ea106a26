using System.CommandLine;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Formats;
using Octavo.Lab;
using Octavo.Models;
using Octavo.Quantization;
using Octavo.Quantization.Evaluation;
using Octavo.Text;

namespace Octavo.Cli.Eval;

/// <summary><c>octavo eval</c>: how well a model predicts a text, and how it differs from a reference.</summary>
internal sealed class EvalCommand
{
    private const int LongestWindow = 2048;

    private readonly Argument<string?> _model = new("MODEL")
    {
        Description = ModelLocator.Takes + ". [default: the bundled story-teller, tales]",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _reference = OptionKinds.Text(
        "--reference",
        "MODEL",
        "The model to compare with, run in float32 (or as it is quantized); often the same directory. [default: none]");

    private readonly Option<string?> _text = OptionKinds.Text(
        "--text",
        "FILE",
        "Plain text, documents separated by lines of <|endoftext|>, or .jsonl with a field text. [default: the "
            + "stories that come with Octavo]");

    private readonly Option<int?> _window = OptionKinds.Integer(
        "--window", "Tokens that the model reads at once. [default: the model's longest sequence, at most 2048]");

    private readonly Option<int?> _stride = OptionKinds.Integer(
        "--stride",
        "Tokens between the beginnings of two windows; fewer give each scored token more context. [default: one less "
            + "than the window]");

    private readonly Option<bool> _json = OptionKinds.Switch("--json", "Print one JSON object.");
    private readonly Option<string?> _report = OptionKinds
        .Text("--report", "FILE.html", "Write a page with charts, all in one file.");
    private readonly EngineArguments _engine = new(
        EngineSettings.Weights, EngineSettings.Cache, EngineSettings.MemoryFraction, EngineSettings.Threads);

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new EvalCommand();
        var command = new Command(
            "eval", "Measure a model's perplexity on a text, and how far its predictions are from another model's.")
        {
            it._model, it._reference, it._text, it._window, it._stride, it._json, it._report,
        };
        it._engine.AddTo(command);
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        EngineOptions options = _engine.Read(result);
        string path = ModelLocator.Find(result.GetValue(_model));
        string? referencePath = result.GetValue(_reference) is { } named ? ModelLocator.Find(named) : null;
        string text = result.GetValue(_text) ?? ModelLocator.BundledText("valid.txt");
        string? page = result.GetValue(_report);
        OutputFile.Check("--report", page);
        using var interrupt = new Interrupt();
        IReadOnlyList<string> documents = TextCorpus.Read(text);

        using var opened = Model.Open(path);
        Tokenizer tokenizer = opened.LoadTokenizer();
        using Model? openedReference = referencePath is null ? null : Model.Open(referencePath);
        (int window, int stride) = Window(result, opened.Spec.MaxPositionEmbeddings);
        using EvaluatedModel model = Load(opened, options, window, interrupt.Token, out ModelInfo plan);
        IReadOnlyList<TextWindow> windows = TextWindow.Cut(
            TextCorpus.Tokenize(
                documents, tokenizer, model.Description.BosTokenId ?? tokenizer.BosTokenId), window, stride);
        var plain = new EngineOptions
        {
            Model = new ModelOptions { Dtype = ModelDtype.Float32, Threads = options.Model.Threads },
        };
        using EvaluatedModel? reference =
            openedReference is null ? null : Load(openedReference, plain, window, interrupt.Token, out _);
        EvaluationResult evaluation;
        using (var bar = new WorkBar("evaluating"))
        {
            evaluation = Evaluator.Run(model, reference, windows, bar, interrupt.Token);
        }

        var report = new EvalReport(evaluation, plan, text, window, stride, tokenizer);
        if (page is not null)
        {
            WholeFile.Write(page, EvalPage.Make(report));
        }

        if (result.GetValue(_json))
        {
            Stdio.Out.WriteLine(report.ToJson());
        }
        else
        {
            report.WriteTables(Tables.Console());
        }

        Stdio.Out.Flush();
        return ExitCode.Success;
    }

    private (int Window, int Stride) Window(ParseResult result, int most)
    {
        int window = result.GetValue(_window) ?? Math.Min(most, LongestWindow);
        int stride = result.GetValue(_stride) ?? window - 1;
        UsageException.ThrowIf(
            window < 2 || window > most,
            $"--window must be between 2 and the model's {most} positions; it is {window}");

        return stride >= 1 && stride < window
            ? (window, stride)
            : throw new UsageException(
                $"--stride must be at least 1 and less than the window, {window}; it is {stride}");
    }

    private static EvaluatedModel Load(
        Model model, EngineOptions options, int window, CancellationToken cancellation, out ModelInfo info)
    {
        ModelPlan plan = model.Plan(options with
        {
            Model = options.Model with { MaxModelLen = window },
            Scheduling = new SchedulingOptions { MaxNumSeqs = 1, MaxNumBatchedTokens = window },
        });
        plan.RequireMemory();
        info = plan.Info;
        EngineLoader.WriteNotes(info.Notes);
        string scheme = info.StoredQuantization is null ? SettingNames.Of(info.Weights) : "as stored";
        return EvaluatedModel.Of(
            $"{info.Name} ({scheme})", model.Description, model.Checkpoint, plan.Load(null, cancellation));
    }
}
