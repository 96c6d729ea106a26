using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Text;

namespace Octavo;

/// <summary>
/// An engine on a thread of its own: many callers submit requests at once, and each step serves all of them. Safe for
/// use from any thread.
/// </summary>
public sealed class AsyncEngine : IAsyncDisposable, IDisposable
{
    private static readonly ParameterName PromptName = new(nameof(Prompt));

    private readonly LlmEngine _engine;
    private readonly IDisposable? _resources;
    private readonly ConcurrentQueue<Action> _inbox = new();       // runs on the engine's thread, between two steps
    private readonly ConcurrentDictionary<string, ChannelWriter<RequestOutput>> _streams = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _signal = new(0);               // never disposed: a late caller may still raise it
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;
    private volatile bool _stopping;
    private volatile bool _draining;
    private volatile bool _ended;                                  // nobody looks into the inbox any more
    private volatile Exception? _failure;
    private long _requests;
    private int _pending;                                          // requests on their way to the engine

    /// <summary>Starts an engine; it and <paramref name="resources"/> are disposed with this object.</summary>
    /// <param name="engine">The core.</param>
    /// <param name="tokenizer">Turns text into tokens; null for token ids in and out.</param>
    /// <param name="model">What runs in it.</param>
    /// <param name="resources">What must live as long as the engine, such as the opened model.</param>
    internal AsyncEngine(LlmEngine engine, Tokenizer? tokenizer, ModelInfo model, IDisposable? resources = null)
    {
        (_engine, Tokenizer, Model, _resources) = (engine, tokenizer, model, resources);
        _thread = new Thread(Loop) { IsBackground = true, Name = "octavo-engine" };
        _thread.Start();
    }

    /// <summary>What runs here.</summary>
    public ModelInfo Model { get; }

    /// <summary>The model's tokenizer; null where it was skipped.</summary>
    public Tokenizer? Tokenizer { get; }

    /// <summary>Carries the engine's metrics, under vLLM's names.</summary>
    public Meter Meter => _engine.Meter;

    /// <summary>Why the engine has stopped for good; null while it works.</summary>
    public Exception? Failure => _failure;

    /// <summary>
    /// Ends when the engine runs no more steps: well where it was disposed, with <see cref="EngineStoppedException"/>
    /// where it has failed for good.
    /// </summary>
    public Task Completion => _completion.Task;

    /// <summary>What is wrong with the latency targets on this machine; null where they can be held.</summary>
    public string? BatchingAdvice => _engine.BatchingAdvice;

    /// <summary>Requests in flight.</summary>
    public int NumRequests => _streams.Count;

    /// <summary>Loads a model from a Hugging Face directory, a GGUF file, or the hub.</summary>
    /// <param name="model">
    /// The directory or file, or a name on the hub: <c>ORG/NAME[@REVISION]</c>, or <c>ORG/NAME:QUANT</c> for its GGUF
    /// file. What is there goes before a name; what is not in the hub's cache is fetched.
    /// </param>
    /// <param name="options">How to load and run it.</param>
    /// <param name="progress">Hears how far loading is.</param>
    /// <param name="download">Hears how far a download is.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <exception cref="ArgumentException">
    /// The directory is null or empty, or a member of the options is null.
    /// </exception>
    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    /// <exception cref="HubException">The model is not on the hub, or cannot be fetched.</exception>
    /// <exception cref="UnsupportedModelException">The model is of a kind that is not supported.</exception>
    /// <exception cref="EngineConfigurationException">The options do not fit the model or the machine.</exception>
    public static AsyncEngine Load(
        string model,
        EngineOptions? options = null,
        IProgress<LoadProgress>? progress = null,
        IProgress<DownloadProgress>? download = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(model);
        options ??= new EngineOptions();
        options.Validate();
        Model opened = Octavo.Model.Open(model, download, cancellationToken);
        IModelRunner? runner = null;
        LlmEngine? engine = null;
        try
        {
            Tokenizer? tokenizer = options.Model.SkipTokenizerInit ? null : opened.LoadTokenizer();
            ModelPlan layout = opened.Plan(options, tokenizer);
            ModelInfo plan = layout.Info;
            runner = layout.Load(progress, cancellationToken);
            var core = new LlmEngineOptions
            {
                ModelName = plan.Name,
                MaxModelLen = plan.MaxModelLen,
                EosTokenIds = plan.EosTokenIds,
                Scheduling = options.Scheduling,
                Admission = options.Admission,
                Sampling = options.Sampling,
                Metrics = options.Metrics,
            };
            WarmUp.Run(runner, tokenizer, core, TimeProvider.System);
            engine = new LlmEngine(runner, tokenizer, core);
            if (options.Scheduling.Batching == BatchingMode.Adaptive)
            {
                engine.Probe();
            }

            return new AsyncEngine(engine, tokenizer, plan, opened);
        }
        catch
        {
            ((IDisposable?)engine ?? runner)?.Dispose();      // the engine owns its runner
            opened.Dispose();
            throw;
        }
    }

    /// <summary>Answers a prompt and returns the whole answer.</summary>
    /// <exception cref="InvalidRequestException">The request cannot be run.</exception>
    public async Task<RequestOutput> GenerateAsync(
        Prompt prompt,
        SamplingParams? sampling = null,
        RequestOptions? options = null,
        CancellationToken cancellationToken = default) =>
        await FinishAsync(PrepareWhole(prompt, sampling, options), cancellationToken).ConfigureAwait(false);

    /// <summary>Answers a prompt and returns what is new after each of its steps.</summary>
    /// <exception cref="InvalidRequestException">
    /// The request cannot be run; thrown at once, not by the enumeration.
    /// </exception>
    public IAsyncEnumerable<RequestOutput> StreamAsync(
        Prompt prompt,
        SamplingParams? sampling = null,
        RequestOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        sampling = (sampling ?? Model.DefaultSamplingParams) with { OutputKind = OutputKind.Delta };
        return RunAsync(prompt, sampling, options, cancellationToken);
    }

    /// <summary>
    /// Answers a prompt with outputs of the kind that <see cref="SamplingParams.OutputKind"/> names. The request starts
    /// at once; leaving the enumeration early, or cancelling it, calls the request off. What is never enumerated runs
    /// to its end.
    /// </summary>
    /// <remarks>
    /// The enumeration throws <see cref="InvalidRequestException"/> where the request turns out impossible on its way
    /// (no token is left to draw), the exception of a hook that threw, and <see cref="EngineStoppedException"/>.
    /// </remarks>
    /// <exception cref="InvalidRequestException">
    /// The request cannot be run; thrown at once, not by the enumeration.
    /// </exception>
    /// <exception cref="EngineOverloadedException">Too many requests wait already.</exception>
    /// <exception cref="EngineStoppedException">The engine is shutting down or has failed.</exception>
    /// <exception cref="ObjectDisposedException">The engine was disposed.</exception>
    /// <exception cref="ArgumentException">
    /// The prompt, or a collection of the parameters, is null or holds null.
    /// </exception>
    public IAsyncEnumerable<RequestOutput> RunAsync(
        Prompt prompt,
        SamplingParams? sampling = null,
        RequestOptions? options = null,
        CancellationToken cancellationToken = default) =>
        RunAsync(Prepare(prompt, sampling, options), cancellationToken);

    /// <summary>Runs a request that <see cref="Prepare"/> has made.</summary>
    /// <inheritdoc cref="RunAsync(Prompt, SamplingParams?, RequestOptions?, CancellationToken)"
    /// path="/remarks|/exception"/>
    public IAsyncEnumerable<RequestOutput> RunAsync(
        ValidatedRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ThrowIfStopped();
        _engine.CheckQueue(Volatile.Read(ref _pending));
        var channel = Channel.CreateUnbounded<RequestOutput>(
            new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        if (!_streams.TryAdd(request.Id, channel.Writer))
        {
            throw new InvalidRequestException(
                nameof(RequestOptions.RequestId),
                $"{new ParameterName(nameof(RequestOptions.RequestId))} {request.Id} is in flight already");
        }

        // The engine may have stopped since it was asked; it ends only those that it finds in the table.
        if (_stopping || _draining || _failure is not null)
        {
            _streams.TryRemove(request.Id, out _);
            CompleteWhenDrained();
            ThrowIfStopped();
        }

        Interlocked.Increment(ref _pending);
        Post(() =>
        {
            Interlocked.Decrement(ref _pending);
            Start(request, channel.Writer);
        });

        // Cancellation counts from now on, not only from the first enumeration.
        CancellationTokenRegistration registration =
            cancellationToken.UnsafeRegister(_ => CallOff(request.Id, channel.Writer), null);
        return ReadAsync(request.Id, channel, registration, cancellationToken);
    }

    /// <summary>
    /// Checks a request and makes it ready to run, so that several can be found right before the first begins.
    /// </summary>
    /// <exception cref="InvalidRequestException">The request cannot be run.</exception>
    /// <exception cref="ArgumentException">
    /// The prompt, or a collection of the parameters, is null or holds null.
    /// </exception>
    public ValidatedRequest Prepare(Prompt prompt, SamplingParams? sampling = null, RequestOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ObjectDisposedException.ThrowIf(_stopping, this);
        options ??= new RequestOptions();
        return _engine.Validate(new EngineRequest
        {
            Id = options.RequestId
                ?? string.Create(CultureInfo.InvariantCulture, $"request-{Interlocked.Increment(ref _requests)}"),
            Prompt = prompt.Text,
            PromptTokenIds = prompt.TokenIds ?? Encode(prompt),
            Parameters = sampling ?? Model.DefaultSamplingParams,
            Options = options,
        });
    }

    /// <summary>A request whose only output is its last.</summary>
    internal ValidatedRequest PrepareWhole(Prompt prompt, SamplingParams? sampling, RequestOptions? options = null)
    {
        sampling = (sampling ?? Model.DefaultSamplingParams) with { OutputKind = OutputKind.FinalOnly };
        return Prepare(prompt, sampling, options);
    }

    /// <summary>Runs a request of <see cref="PrepareWhole"/>.</summary>
    internal async Task<RequestOutput> FinishAsync(
        ValidatedRequest request, CancellationToken cancellationToken = default)
    {
        RequestOutput? last = null;
        await foreach (RequestOutput output in RunAsync(request, cancellationToken).ConfigureAwait(false))
        {
            last = output;
        }

        return last!;
    }

    /// <summary>A text's token ids.</summary>
    /// <exception cref="InvalidRequestException">The engine runs without a tokenizer.</exception>
    public int[] Encode(string text, bool addSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        ObjectDisposedException.ThrowIf(_stopping, this);
        return RequireTokenizer().Encode(text, addSpecialTokens);
    }

    /// <summary>The token ids of a prompt that is text.</summary>
    /// <exception cref="InvalidRequestException">The engine runs without a tokenizer.</exception>
    internal int[] Encode(Prompt prompt)
    {
        if (prompt.Rendered is not { } rendered)
        {
            return Encode(prompt.Text!, prompt.AddSpecialTokens);
        }

        ObjectDisposedException.ThrowIf(_stopping, this);
        return RequireTokenizer().Encode(
            rendered,
            new EncodeOptions
            {
                AddSpecialTokens = prompt.AddSpecialTokens,
                SplitSpecialTokens = prompt.SplitSpecialTokens ? null : false,
            });
    }

    private Tokenizer RequireTokenizer() => Tokenizer ?? throw new InvalidRequestException(
        PromptName.Name, $"{PromptName} is text, and this engine runs without a tokenizer: give token ids");

    /// <summary>Refuses new requests and waits until those in flight have ended; a disposed engine has none.</summary>
    public Task DrainAsync(CancellationToken cancellationToken = default)
    {
        _draining = true;
        CompleteWhenDrained();
        return _drained.Task.WaitAsync(cancellationToken);
    }

    /// <summary>
    /// Completes once blocks, queues and requests have been found to agree with each other, between two steps; for
    /// tests and diagnosis.
    /// </summary>
    /// <exception cref="InvalidOperationException">They do not agree; the message says where.</exception>
    public Task CheckIntegrityAsync()
    {
        ObjectDisposedException.ThrowIf(_stopping, this);
        ThrowIfFailed();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(() =>
        {
            try
            {
                _engine.CheckIntegrity();
                done.TrySetResult();
            }
            catch (Exception e)
            {
                done.TrySetException(e);
            }
        });
        if (_ended)
        {
            done.TrySetException(new EngineStoppedException("the engine was stopped", _failure));
        }

        return done.Task;
    }

    /// <summary>Stops after the current step; requests in flight are aborted.</summary>
    public void Dispose()
    {
        if (!_stopping)
        {
            _stopping = true;
            _signal.Release();
            _thread.Join();
            _engine.Dispose();
            _resources?.Dispose();
        }
    }

    /// <inheritdoc cref="Dispose"/>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    private void Post(Action action)
    {
        _inbox.Enqueue(action);
        _signal.Release();
    }

    private void ThrowIfFailed()
    {
        if (_failure is { } failure)
        {
            throw new EngineStoppedException("the engine has failed: " + failure.Message, failure);
        }
    }

    private void ThrowIfStopped()
    {
        ObjectDisposedException.ThrowIf(_stopping, this);
        ThrowIfFailed();
        if (_draining)
        {
            throw new EngineStoppedException("the engine is shutting down", null);
        }
    }

    private void Start(ValidatedRequest request, ChannelWriter<RequestOutput> writer)
    {
        try
        {
            _engine.Add(request, output => Publish(writer, output));
        }
        catch (Exception e)
        {
            // Whatever is wrong with this request, the others go on; its own caller hears of it.
            Remove(request.Id, writer);
            writer.Complete(e);
        }
    }

    private void Publish(ChannelWriter<RequestOutput> writer, RequestOutput output)
    {
        if (output.Finished)
        {
            // Out of the table before the reader can see the end, so that nobody waits for a request that is over.
            Remove(output.RequestId, writer);
        }

        if (output.Error is null)
        {
            writer.TryWrite(output);
        }

        if (output.Finished)
        {
            writer.Complete(output.Error);
        }
    }

    private void Remove(string id, ChannelWriter<RequestOutput> writer)
    {
        _streams.TryRemove(KeyValuePair.Create(id, writer));
        CompleteWhenDrained();
    }

    // Called behind every removal and where draining begins: the barrier lets one of two at the same time see both.
    private void CompleteWhenDrained()
    {
        Interlocked.MemoryBarrier();
        if (_draining && _streams.IsEmpty)
        {
            _drained.TrySetResult();
        }
    }

    /// <summary>Aborts a request unless it is over, or another one has taken its id since.</summary>
    private void CallOff(string id, ChannelWriter<RequestOutput> writer) => Post(() =>
    {
        if (_streams.TryGetValue(id, out ChannelWriter<RequestOutput>? current) && current == writer)
        {
            _engine.Abort(id);
        }
    });

    private async IAsyncEnumerable<RequestOutput> ReadAsync(
        string id,
        Channel<RequestOutput> channel,
        CancellationTokenRegistration registration,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        try
        {
            await foreach (RequestOutput output in channel.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                yield return output;
            }
        }
        finally
        {
            await registration.DisposeAsync().ConfigureAwait(false);
            if (!channel.Reader.Completion.IsCompleted)
            {
                CallOff(id, channel.Writer);
            }
        }
    }

    // The one generation loop of the product.
    private void Loop()
    {
        try
        {
            while (!_stopping)
            {
                if (!_engine.HasWork)
                {
                    _signal.Wait();
                }

                while (_inbox.TryDequeue(out Action? action))
                {
                    action();
                }

                _engine.Step();
            }
        }
        catch (Exception e)
        {
            _failure = e;
        }

        Exception reason = new EngineStoppedException(
            _failure is null ? "the engine was stopped" : "the engine has failed: " + _failure.Message, _failure);
        _ended = true;
        while (_inbox.TryDequeue(out Action? action))
        {
            action();
        }

        while (!_streams.IsEmpty)
        {
            foreach ((string id, ChannelWriter<RequestOutput> writer) in _streams)
            {
                _streams.TryRemove(id, out _);
                writer.TryComplete(reason);
            }
        }

        CompleteWhenDrained();
        if (_failure is null)
        {
            _completion.SetResult();
        }
        else
        {
            _completion.SetException(reason);
            _ = _completion.Task.Exception;        // who does not await it may ask for Failure
        }
    }
}

/// <summary>The engine takes no more requests: it is shutting down, or has failed.</summary>
public sealed class EngineStoppedException(string message, Exception? inner) : Exception(message, inner);
