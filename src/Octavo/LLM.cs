using System.Globalization;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Text;

namespace Octavo;

/// <summary>
/// A model to call from a program: prompts in, completions out. All prompts of a call share the engine's steps.
/// </summary>
/// <example>
/// <code>
/// using var llm = LLM.Load("models/tales");
/// var sampling = new SamplingParams { MaxTokens = 50, Temperature = 0.7f };
/// foreach (RequestOutput output in llm.Generate(["Once upon a time", "The fox"], sampling))
/// {
///     Console.WriteLine(output.Outputs[0].Text);
/// }
/// </code>
/// </example>
public sealed class LLM : IDisposable
{
    private readonly Lazy<ChatPrompts> _chat;

    private LLM(AsyncEngine engine)
    {
        Engine = engine;
        _chat = new Lazy<ChatPrompts>(() => new ChatPrompts(engine));
    }

    /// <summary>The engine behind it, for streaming and concurrent use.</summary>
    public AsyncEngine Engine { get; }

    /// <summary>What is loaded.</summary>
    public ModelInfo Model => Engine.Model;

    /// <summary>The sampling of calls that name none: the model's own defaults.</summary>
    public SamplingParams DefaultSamplingParams => Model.DefaultSamplingParams;

    /// <summary>Loads a model from a Hugging Face directory, a GGUF file, or the hub.</summary>
    /// <param name="model">
    /// The directory or file, or a name on the hub, such as <c>facebook/opt-125m</c>: <c>ORG/NAME[@REVISION]</c>, or
    /// <c>ORG/NAME:QUANT</c> for its GGUF file. What is there goes before a name; what is not in the hub's cache is
    /// fetched.
    /// </param>
    /// <param name="quantization">
    /// The scheme of the weights, one of <see cref="WeightScheme.Names"/>; null keeps the checkpoint's.
    /// </param>
    /// <param name="options">Everything else.</param>
    /// <param name="progress">Hears how far loading is.</param>
    /// <param name="download">Hears how far a download is.</param>
    /// <inheritdoc cref="AsyncEngine.Load" path="/exception"/>
    public static LLM Load(
        string model,
        string? quantization = null,
        EngineOptions? options = null,
        IProgress<LoadProgress>? progress = null,
        IProgress<DownloadProgress>? download = null)
    {
        options ??= new EngineOptions();
        if (quantization is not null)
        {
            ParameterFaults.ThrowIfNull(options.Model);
            options = options with { Model = options.Model with { Quantization = quantization } };
        }

        return new LLM(AsyncEngine.Load(model, options, progress, download));
    }

    /// <summary>Completes a prompt.</summary>
    /// <exception cref="InvalidRequestException">The request cannot be run.</exception>
    public RequestOutput Generate(Prompt prompt, SamplingParams? sampling = null) => Generate([prompt], sampling)[0];

    /// <summary>Completes texts; outputs come in the order of the prompts.</summary>
    /// <exception cref="InvalidRequestException">A request cannot be run.</exception>
    public IReadOnlyList<RequestOutput> Generate(IEnumerable<string> prompts, SamplingParams? sampling = null) =>
        Generate(Prompts(prompts, Prompt.FromText), sampling);

    /// <summary>Completes prompts; outputs come in the order of the prompts.</summary>
    /// <exception cref="InvalidRequestException">A request cannot be run; then none of them is.</exception>
    public IReadOnlyList<RequestOutput> Generate(IEnumerable<Prompt> prompts, SamplingParams? sampling = null)
    {
        ValidatedRequest[] all = [.. Prompts(prompts, p => p).Select(p => Engine.PrepareWhole(p, sampling))];
        return WaitFor(Task.WhenAll(all.Select(request => Engine.FinishAsync(request))));
    }

    /// <summary>Answers a conversation, through the model's chat template.</summary>
    /// <exception cref="InvalidRequestException">
    /// The request cannot be run, or the model has no chat template.
    /// </exception>
    public RequestOutput Chat(IReadOnlyList<ChatMessage> messages, SamplingParams? sampling = null)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return Generate(_chat.Value.Render(messages), sampling);
    }

    /// <summary>Finds the most likely completions of a prompt by beam search.</summary>
    /// <exception cref="InvalidRequestException">The request cannot be run.</exception>
    public BeamSearchOutput BeamSearch(Prompt prompt, BeamSearchParams parameters) =>
        WaitFor(Engine.BeamSearchAsync(prompt, parameters));

    /// <inheritdoc/>
    public void Dispose() => Engine.Dispose();

    private static Prompt[] Prompts<T>(IEnumerable<T> prompts, Func<T, Prompt> convert)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(prompts);
        List<Prompt> converted = [];
        foreach (T prompt in prompts)
        {
            converted.Add(prompt is null
                ? throw new ArgumentException(
                    string.Create(CultureInfo.InvariantCulture, $"prompt {converted.Count} is null"), nameof(prompts))
                : convert(prompt));
        }

        return [.. converted];
    }

    private static T WaitFor<T>(Task<T> task)
    {
#pragma warning disable VSTHRD002 // The engine has its own thread and never comes back to the caller's.
        return task.GetAwaiter().GetResult();
#pragma warning restore VSTHRD002
    }
}
