using System.Runtime.CompilerServices;
using Octavo.Text.Prompts;

namespace Octavo.Text.Templates;

/// <summary>
/// One run of a template: what it wrote so far, and what it may still spend. All that takes time is counted before it
/// is done, in steps: an expression is one, and so are some characters of a text that is gone through, more or fewer
/// as each takes less or more time. The bounds are a fraction of a second's work on a slow core; what the conversation
/// brings comes on top.
/// </summary>
internal sealed class Renderer(TimeProvider time, IReadOnlyDictionary<string, BlockStatement> blocks)
{
    /// <summary>Steps, and one more for each character of the variables.</summary>
    public const int MaxSteps = 1_000_000;

    /// <summary>
    /// Characters of all texts that are made on the way, and <see cref="TextPerInput"/> more for each of the variables.
    /// </summary>
    public const int MaxText = 1 << 24;

    /// <summary>How often a template may copy its variables from text to text.</summary>
    public const int TextPerInput = 16;

    /// <summary>Characters of the output, and of any one text.</summary>
    public const int MaxOutput = 1 << 22;

    /// <summary>Milliseconds that a regular expression may take over one text, should the steps not bound it.</summary>
    public const int RegexTimeout = 2000;

    /// <summary>Macros and recursive loops within each other.</summary>
    public const int MaxCalls = 200;

    // Values know no renderer; what they do counts for the one that runs on this thread.
    [ThreadStatic]
    private static Renderer? t_running;

    private TextJoiner? _output;
    private int _maxSteps = MaxSteps;
    private long _maxText = MaxText;
    private int _steps;
    private long _text;
    private int _calls;

    public TimeProvider Time => time;

    /// <summary>Who wrote which text.</summary>
    public Provenance Provenance { get; } = new();

    public IReadOnlyDictionary<string, BlockStatement> Blocks => blocks;

    /// <summary>The template's own names, while it runs.</summary>
    public Frame? Root { get; private set; }

    /// <summary>What is being computed, for errors.</summary>
    public int Position { get; set; }

    /// <summary>Whether what is printed gets HTML's escapes (<c>{% autoescape %}</c>).</summary>
    public bool Autoescape { get; set; }

    /// <summary>Runs a template with its variables.</summary>
    public RenderedPrompt Run(Body body, IReadOnlyDictionary<string, object?> variables)
    {
        int size = (int)Math.Min(variables.Values.Sum(SizeOf), int.MaxValue / 2);
        _maxSteps += size;
        _maxText += (long)size * TextPerInput;
        Renderer? outer = t_running;
        t_running = this;
        try
        {
            _output = new TextJoiner(Provenance);
            Root = new Frame(this, variables);
            body.Run(Root);
            return _output.ToPrompt();
        }
        finally
        {
            t_running = outer;
        }
    }

    /// <summary>Counts a step of what stands at a position.</summary>
    public void Step(int position)
    {
        Position = position;
        EnsureStack();
    }

    /// <summary>Counts steps.</summary>
    public void Charge(int steps)
    {
        if (steps > _maxSteps - _steps)
        {
            throw new TemplateFault($"the template takes more than {_maxSteps} steps");
        }

        _steps += steps;
    }

    /// <summary>Counts a text that is made.</summary>
    public void ChargeText(long length)
    {
        if (length > MaxOutput || (_text += length) > _maxText)
        {
            throw new TemplateFault(
                $"the template makes more text than it may ({MaxOutput} characters at once, {_maxText} in all)");
        }
    }

    /// <summary>Counts going through a text; a step for some characters of it.</summary>
    public static void ChargeReading(int length) => t_running?.Charge(length >> 4);

    /// <summary>Counts printing a text with escapes; a step for a few characters of it.</summary>
    public static void ChargePrinting(int length) => t_running?.Charge(length >> 2);

    /// <summary>Counts computing or printing an integer; its time grows with the square of its length.</summary>
    public static void ChargeInteger(long bits)
    {
        long words = bits >> 6;
        t_running?.Charge((int)Math.Min(words * words >> 6, MaxSteps));
    }

    /// <summary>Counts work on characters, or on parts of a text, one by one.</summary>
    public static void ChargeEach(int count) => t_running?.Charge(count);

    /// <summary>Counts work on a text that grows with the square of its length.</summary>
    public static void ChargeSquare(long length) =>
        t_running?.Charge((int)Math.Min(length * length >> 6, int.MaxValue));

    /// <summary>Counts a step; refuses values and calls that are nested deeper than the stack has room for.</summary>
    public static void EnsureStack()
    {
        t_running?.Charge(1);
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new TemplateFault("nested too deep");
        }
    }

    /// <summary>A part of a text, of which it stays known who wrote it.</summary>
    public static string Part(string text, Range range)
    {
        (int start, int count) = range.GetOffsetAndLength(text.Length);
        return t_running?.Provenance.Of(text) is null
            ? text.Substring(start, count)
            : t_running.Joined().Append(text, start, count).ToString();
    }

    /// <summary>Joins texts, of which it stays known who wrote them.</summary>
    public TextJoiner Joined() => new(Provenance);

    /// <summary>The same for the run that is on this thread.</summary>
    public static TextJoiner JoinedHere() => new(t_running?.Provenance ?? new Provenance());

    /// <summary>Writes a value's text.</summary>
    public void Write(string text) => Output(text.Length).Append(text);

    /// <summary>Writes a text that stands in the template.</summary>
    public void WriteOwn(string text) => Output(text.Length).AppendOwn(text);

    private TextJoiner Output(int more)
    {
        ChargeText(more);
        return _output!.Length + more <= MaxOutput
            ? _output
            : throw new TemplateFault($"the output is longer than {MaxOutput} characters");
    }

    /// <summary>What a body writes, kept apart.</summary>
    public (Flow Flow, object Text) Capture(Body body, Frame frame)
    {
        Flow flow = Flow.Next;
        object text = Capture(() => flow = body.Run(frame));
        return (flow, text);
    }

    /// <summary>What is written meanwhile, kept apart: a string, or markup where it was escaped.</summary>
    public object Capture(Action write)
    {
        TextJoiner outer = _output!;
        _output = Joined();
        try
        {
            write();
            string text = _output.ToString();
            return Autoescape ? new Markup(text) : text;
        }
        finally
        {
            _output = outer;
        }
    }

    /// <summary>Calls a value.</summary>
    public object? Call(object? callee, Arguments arguments) => callee switch
    {
        ICallable callable => callable.Call(this, arguments),
        Undefined undefined => throw undefined.Fault(),
        _ => throw new TemplateFault($"'{Types.Name(callee)}' object is not callable"),
    };

    private static long SizeOf(object? value) => value switch
    {
        string text => text.Length,
        PyDict map => map.Entries.Sum(e => 1 + SizeOf(e.Key) + SizeOf(e.Value)),
        List<object?> list => list.Sum(item => 1 + SizeOf(item)),
        _ => 0,
    };

    /// <summary>Runs what may run itself again.</summary>
    public T Nested<T>(Func<T> run)
    {
        if (++_calls > MaxCalls)
        {
            throw new TemplateFault($"calls are nested more than {MaxCalls} deep");
        }

        T result = run();
        _calls--;
        return result;
    }
}
