using System.Text.Json;
using Octavo.Server.Jobs;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>
/// OpenAI's API over an engine, apart from how requests come and answers go: a body's JSON becomes a job, and what
/// becomes of the job is written as JSON.
/// </summary>
internal sealed class OpenAIProtocol
{
    private readonly AsyncEngine _engine;
    private readonly IReadOnlyList<string> _names;
    private readonly ServedModel _served;
    private readonly JobMaker _jobs;

    /// <summary>Reads and answers for one engine.</summary>
    /// <param name="engine">Encodes, checks and knows the model; nothing runs here.</param>
    /// <param name="names">The names that requests may call the model by; answers carry the first.</param>
    /// <param name="version">This program's version.</param>
    public OpenAIProtocol(AsyncEngine engine, IReadOnlyList<string> names, string version)
    {
        (_engine, _names) = (engine, names);
        _served = ServedModel.Of(engine.Model, names[0], version);
        Chat = new ChatSupport(engine);
        _jobs = new JobMaker(engine, Chat);
    }

    /// <summary>Whether the model can chat.</summary>
    public ChatSupport Chat { get; }

    /// <summary>Reads a body of <c>/v1/completions</c>.</summary>
    /// <param name="body">The body.</param>
    /// <param name="client">Whose request it is, where the transport knows.</param>
    /// <exception cref="ApiException">It cannot be run.</exception>
    /// <exception cref="Engine.InvalidRequestException">It cannot be run.</exception>
    public Exchange ReadCompletion(JsonElement body, string? client = null)
    {
        var request = new CompletionRequest(_engine.Model.DefaultSamplingParams);
        Read(body, request, GenerationFields.Completion);
        Job job = _jobs.Make(request, client);
        return new Exchange(
            job, new CompletionResponse(_engine.Tokenizer, _served, request, job), request.Stream, request.Notes);
    }

    /// <summary>Reads a body of <c>/v1/chat/completions</c>.</summary>
    /// <param name="body">The body.</param>
    /// <param name="client">Whose request it is, where the transport knows.</param>
    /// <exception cref="ApiException">It cannot be run.</exception>
    /// <exception cref="Engine.InvalidRequestException">It cannot be run.</exception>
    public Exchange ReadChat(JsonElement body, string? client = null)
    {
        var request = new ChatRequest(_engine.Model.DefaultSamplingParams);
        Read(body, request, GenerationFields.Chat);
        Job job = _jobs.Make(request, client);
        return new Exchange(
            job, new ChatResponse(_engine.Tokenizer, _served, request, job), request.Stream, request.Notes);
    }

    /// <summary>Refuses a name that is not the model's; none stands for it.</summary>
    /// <exception cref="ApiException">It is another's.</exception>
    public void CheckModel(string? name)
    {
        if (!string.IsNullOrEmpty(name) && !_names.Contains(name, StringComparer.Ordinal))
        {
            throw ApiException.NotFound(
                "model", "model_not_found", $"The model `{name}` does not exist; served: {string.Join(", ", _names)}");
        }
    }

    private void Read<T>(JsonElement body, T request, FieldTable<T> fields)
        where T : GenerationRequest
    {
        fields.Read(new JsonValue(string.Empty, body, request.Notes), request, request.Note);

        // Without a tokenizer there is no text, so tokens are the answer.
        request.ReturnTokenIds |= _engine.Tokenizer is null;
        CheckModel(request.Model);
        request.Check();
    }
}
