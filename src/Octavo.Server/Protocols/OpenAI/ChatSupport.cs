using Octavo.Engine;
using Octavo.Text;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>
/// Whether a model can chat, found out once when the server starts: its template's faults are no request's.
/// </summary>
internal sealed class ChatSupport
{
    private readonly ChatPrompts? _prompts;

    public ChatSupport(AsyncEngine engine)
    {
        try
        {
            _prompts = new ChatPrompts(engine);
        }
        catch (Exception e) when (e is ChatTemplateException or InvalidRequestException)
        {
            WhyNot = e;
        }
    }

    /// <summary>Why it cannot: a template that is not supported, or none; null where it can.</summary>
    public Exception? WhyNot { get; }

    /// <summary>What renders its conversations.</summary>
    /// <exception cref="ApiException">It cannot chat.</exception>
    /// <exception cref="InvalidRequestException">It was not made to chat.</exception>
    public ChatPrompts Prompts => _prompts ?? throw WhyNot switch
    {
        InvalidRequestException e => new InvalidRequestException(e.Parameter, $"{e.Fault}"),
        _ => ApiException.BadRequest(
            null, $"chat is off, since the model's chat template is not supported: {WhyNot!.Message}; use /v1/completions", "chat_template_unsupported"),
    };
}
