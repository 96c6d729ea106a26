
namespace Octavo.Text.Templates;

/// <summary>A running loop, as the template sees it by <c>loop</c>. It looks ahead only when asked.</summary>
internal sealed class LoopContext(
    Frame outer, ForStatement loop, bool recursive, int depth, IEnumerable<object?> values) : ICallable, IMembers
{
    private readonly IEnumerator<object?> _values = values.GetEnumerator();
    private readonly Queue<object?> _ahead = [];
    private int _index = -1;
    private bool _ended;
    private object? _previous;
    private object? _lastChanged = BoundArguments.Absent;

    public object? Current { get; private set; }

    public bool MoveNext()
    {
        if (!LookAhead(1))
        {
            return false;
        }

        _previous = Current;
        Current = _ahead.Dequeue();
        _index++;
        return true;
    }

    /// <summary>Runs a recursive loop over another sequence.</summary>
    public object? Call(Renderer renderer, Arguments arguments)
    {
        if (!recursive)
        {
            throw new TemplateFault("the loop is not marked as recursive, so it cannot be called");
        }

        if (arguments is not { Positional: [var sequence], Named: [] })
        {
            throw new TemplateFault("a recursive loop is called with one sequence");
        }

        return renderer.Nested(() => renderer.Capture(() => loop.RunOver(sequence, outer, depth + 1)));
    }

    public bool TryGetMember(string name, out object? value)
    {
        value = name switch
        {
            "index" => _index + 1L,
            "index0" => (long)_index,
            "first" => _index == 0,
            "last" => !LookAhead(1),
            "length" => (long)Length(),
            "revindex" => (long)Length() - _index,
            "revindex0" => (long)Length() - _index - 1,
            "depth" => depth + 1L,
            "depth0" => (long)depth,
            "previtem" => _index > 0 ? _previous : new Undefined(name, hint: "there is no previous item"),
            "nextitem" => LookAhead(1) ? _ahead.Peek() : new Undefined(name, hint: "there is no next item"),
            "cycle" => new Function(name, (_, a) => a.Positional.Count > 0
                ? a.Positional[_index % a.Positional.Count]
                : throw new TemplateFault("loop.cycle() needs something to cycle through")),
            "changed" => new Function(name, (_, a) => Changed(new PyTuple([.. a.Positional]))),
            _ => BoundArguments.Absent,
        };
        return value != BoundArguments.Absent;
    }

    public override string ToString() => $"<LoopContext {_index + 1}/{Length()}>";

    private bool Changed(PyTuple now)
    {
        if (_lastChanged is PyTuple last && Comparison.AreEqual(last, now))
        {
            return false;
        }

        _lastChanged = now;
        return true;
    }

    private int Length()
    {
        LookAhead(int.MaxValue);
        return _index + 1 + _ahead.Count;
    }

    private bool LookAhead(int count)
    {
        while (!_ended && _ahead.Count < count)
        {
            if (_values.MoveNext())
            {
                _ahead.Enqueue(_values.Current);
            }
            else
            {
                _ended = true;
                _values.Dispose();
            }
        }

        return _ahead.Count >= count;
    }
}
