using Octavo.Engine.Sampling;
using Octavo.Engine.Sequences;

namespace Octavo.Engine.Output;

/// <summary>
/// A request together with what it has said: one of the n completions of a <see cref="RequestGroup"/>.
/// </summary>
internal sealed class Completion : Sequence
{
    private readonly OutputText _text;
    private readonly List<PositionLogprobs> _logprobs = [];
    private double _cumulativeLogprob;
    private int _emittedChars;
    private int _emittedTokens;
    private bool _endEmitted;
    private int _scheduledPreemptions;

    public Completion(RequestGroup group, int index, long arrival, SamplingState sampling, OutputText text)
        : base(
            group.Id,
            group.PromptTokenIds,
            group.Request.MaxOutputTokens,
            group.Request.Options.Priority,
            arrival,
            group.PromptHashes)
    {
        (Group, Index, Sampling, _text) = (group, index, sampling, text);
    }

    public RequestGroup Group { get; }

    public int Index { get; }

    public SamplingState Sampling { get; }

    /// <summary>When it last left the queue; preemption sends it back there.</summary>
    public long ScheduledTimestamp { get; private set; }

    public long FirstTokenTimestamp { get; set; }

    public long LastTokenTimestamp { get; set; }

    /// <summary>What went wrong with it; null where nothing did.</summary>
    public Exception? Error { get; private set; }

    public FinishReason? FinishReason { get; private set; }

    public StopReason? StopReason { get; private set; }

    public bool IsFinished => FinishReason is not null;

    /// <summary>True where it has said or done something that no output has told yet.</summary>
    public bool HasNews => NumOutputTokens > _emittedTokens || (IsFinished && !_endEmitted);

    /// <summary>True where the stream interval lets the newest tokens out.</summary>
    public bool IsDue =>
        IsFinished || _emittedTokens == 0 || NumOutputTokens - _emittedTokens >= (Group.Parameters.StreamInterval ?? 1);

    /// <summary>Takes the next token, extends the text, and ends the completion where a stop condition holds.</summary>
    public void Accept(int token, PositionLogprobs? logprobs, int maxModelLen, IReadOnlyList<int> eosTokenIds)
    {
        SamplingParams p = Group.Parameters;
        Append(token);
        if (logprobs is not null)
        {
            _logprobs.Add(logprobs);
            _cumulativeLogprob += logprobs.Token.Logprob;
        }

        bool pastMinimum = NumOutputTokens >= p.MinTokens;
        bool isEos = !p.IgnoreEos && eosTokenIds.Contains(token);
        bool isStopToken = p.StopTokenIds.Contains(token);

        // The token that ends the output is not part of its text, unless the caller wants it there.
        if (!(pastMinimum && (isEos || isStopToken)) || p.IncludeStopStrInOutput)
        {
            _text.Append(token);
        }
        else
        {
            _text.AppendNothing();
        }

        if (pastMinimum && isEos)
        {
            End(Octavo.FinishReason.Stop, null);
        }
        else if (pastMinimum && isStopToken)
        {
            End(Octavo.FinishReason.Stop, new StopReason { TokenId = token });
        }
        else if (pastMinimum && _text.TryStop(p.IncludeStopStrInOutput, out string stop))
        {
            FinishReason = Octavo.FinishReason.Stop;
            StopReason = new StopReason { Text = stop };
        }
        else if (NumTokens >= maxModelLen || NumOutputTokens >= Group.Request.MaxOutputTokens)
        {
            End(Octavo.FinishReason.Length, null);
        }
        else if (p.RepetitionDetection is { } detection && Repeats(OutputTokens, detection))
        {
            End(Octavo.FinishReason.Repetition, null);
        }
    }

    /// <summary>Notes that a step takes it up; only the first after it stood in the queue counts.</summary>
    public void MarkScheduled(long timestamp)
    {
        if (ScheduledTimestamp == 0 || _scheduledPreemptions != NumPreemptions)
        {
            (ScheduledTimestamp, _scheduledPreemptions) = (timestamp, NumPreemptions);
        }
    }

    /// <summary>Ends the completion because something is wrong with it alone.</summary>
    public void Fail(Exception error)
    {
        Error = error;
        FinishReason = Octavo.FinishReason.Error;
    }

    /// <summary>Ends the completion; text that was withheld comes out.</summary>
    public void End(FinishReason reason, StopReason? stop)
    {
        _text.Flush();
        (FinishReason, StopReason) = (reason, stop);
    }

    /// <summary>A picture of the completion: whole, or what is new since the last delta.</summary>
    public CompletionOutput TakeOutput(bool delta)
    {
        // A stop text that stays may be shown as it comes, unless parts of it are hidden until it is complete.
        int withheld = IsFinished || (Group.Parameters.IncludeStopStrInOutput && !_text.HidesAnything)
            ? 0
            : _text.CountWithheld();
        int end = _text.Length - withheld;
        int firstChar = delta ? Math.Min(_emittedChars, end) : 0;
        int firstToken = delta ? _emittedTokens : 0;
        (_emittedChars, _emittedTokens) = (Math.Max(end, _emittedChars), NumOutputTokens);
        _endEmitted = IsFinished;
        IReadOnlyList<PositionLogprobs>? logprobs =
            Group.Parameters.WantsLogprobs ? _logprobs.GetRange(firstToken, _logprobs.Count - firstToken) : null;
        bool flat = Group.Parameters.FlatLogprobs && logprobs is not null;
        return new CompletionOutput
        {
            Index = Index,
            Text = _text.Substring(firstChar, end - firstChar),
            TokenIds = OutputTokens[firstToken..].ToArray(),
            CumulativeLogprob = Group.Parameters.WantsLogprobs ? _cumulativeLogprob : null,
            Logprobs = flat ? null : logprobs,
            FlatLogprobs = flat ? new FlatLogprobs(logprobs!) : null,
            FinishReason = FinishReason,
            StopReason = StopReason,
        };
    }

    private static bool Repeats(ReadOnlySpan<int> output, RepetitionDetection detection)
    {
        for (int size = detection.MinPatternSize; size <= detection.MaxPatternSize; size++)
        {
            long length = (long)size * detection.MinCount;
            if (length > output.Length)
            {
                return false;
            }

            // A run of equal patterns equals itself shifted by one pattern.
            ReadOnlySpan<int> end = output[^(int)length..];
            if (end[size..].SequenceEqual(end[..^size]))
            {
                return true;
            }
        }

        return false;
    }
}
