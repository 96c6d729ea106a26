using System.Text;
using Octavo.Cli.Terminal;
using Octavo.Engine;
using Octavo.Text;

namespace Octavo.Cli.Chat;

/// <summary>
/// One conversation on standard input and output: answers go to the output, everything else to the error stream.
/// </summary>
internal sealed class ChatSession
{
    private const string Help =
        """
        /reset   forget the conversation
        /help    show this
        /exit    leave (so does the end of input)
        Ctrl-C stops an answer; a second one, or one between answers, leaves.
        """;

    private readonly AsyncEngine _engine;
    private readonly SamplingParams _sampling;
    private readonly ChatMessage? _system;
    private readonly ChatPrompts _prompts;
    private readonly List<ChatMessage> _turns = [];        // user, assistant, user, …

    /// <summary>Begins a conversation.</summary>
    /// <exception cref="InvalidRequestException">The model has no chat template.</exception>
    public ChatSession(AsyncEngine engine, SamplingParams sampling, string? system)
    {
        (_engine, _sampling) = (engine, sampling);
        _system = system is null ? null : new ChatMessage("system", system);
        _prompts = new ChatPrompts(engine);
    }

    /// <summary>Reads and answers until the input ends or says so.</summary>
    public async Task RunAsync()
    {
        bool typed = Stdio.InIsTerminal;
        if (typed)
        {
            Say($"{_engine.Model.Name}, {_engine.Model.MaxModelLen} tokens of context; /help lists the commands");
        }

        while (true)
        {
            if (typed)
            {
                await Stdio.Error.WriteAsync("> ").ConfigureAwait(false);
            }

            string? line = await Stdio.In.ReadLineAsync().ConfigureAwait(false);
            switch (line?.Trim())
            {
                case null or "/exit":
                    return;
                case "":
                    break;
                case "/reset":
                    _turns.Clear();
                    Say("the conversation is forgotten");
                    break;
                case "/help":
                    Say(Help);
                    break;
                case var word when word[0] == '/' && word.AsSpan(1).IndexOfAnyExceptInRange('a', 'z') < 0:
                    Say($"there is no {word}; /help lists the commands");
                    break;
                default:
                    await AnswerAsync(line).ConfigureAwait(false);
                    break;
            }
        }
    }

    private async Task AnswerAsync(string text)
    {
        _turns.Add(new ChatMessage("user", text));
        if (FitContext() is not { } prompt)
        {
            _turns.RemoveAt(_turns.Count - 1);
            Say($"that message alone is longer than the {_engine.Model.MaxModelLen} tokens of context; it is not sent");
            return;
        }

        var answer = new StringBuilder();
        using (var interrupt = new Interrupt())
        {
            try
            {
                await foreach (RequestOutput delta in _engine.StreamAsync(prompt, _sampling, null, interrupt.Token)
                    .ConfigureAwait(false))
                {
                    foreach (CompletionOutput piece in delta.Outputs)
                    {
                        answer.Append(piece.Text);
                        await Stdio.Out.WriteAsync(piece.Text).ConfigureAwait(false);
                    }

                    await Stdio.Out.FlushAsync().ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException)
            {
                // Stopped by the reader: what was said stays said.
            }
        }

        await Stdio.Out.WriteLineAsync().ConfigureAwait(false);
        await Stdio.Out.FlushAsync().ConfigureAwait(false);
        _turns.Add(new ChatMessage("assistant", answer.ToString()));
    }

    /// <summary>
    /// The prompt of the conversation, after dropping as many of the oldest turns as it takes; null where nothing
    /// helps.
    /// </summary>
    private Prompt? FitContext()
    {
        // Room for an answer: all that was asked for, or a quarter of the context where that is less.
        int room = Math.Min(_sampling.MaxTokens ?? int.MaxValue, Math.Max(1, _engine.Model.MaxModelLen / 4));
        int dropped = 0;
        while (true)
        {
            int[] ids = Tokens();
            bool last = _turns.Count == 1;
            if (ids.Length + (last ? 1 : room) <= _engine.Model.MaxModelLen)
            {
                if (dropped > 0)
                {
                    Say($"the conversation outgrew the {_engine.Model.MaxModelLen} tokens of context: the oldest "
                        + $"{dropped} messages are dropped");
                }

                return Prompt.FromTokenIds(ids);
            }

            if (last)
            {
                return null;
            }

            // A question goes with its answer, so that the roles keep alternating.
            _turns.RemoveRange(0, 2);
            dropped += 2;
        }
    }

    private int[] Tokens() => _engine.Encode(_prompts.Render(_system is null ? _turns : [_system, .. _turns]));

    private static void Say(string text) => Stdio.Error.WriteLine(Stdio.DimError(text));
}
