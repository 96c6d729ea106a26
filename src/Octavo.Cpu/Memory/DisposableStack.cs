namespace Octavo.Cpu.Memory;

/// <summary>
/// What one owner has made, disposed of in the order against: the owner's parts are given back where the making of a
/// later one fails, too.
/// </summary>
internal sealed class DisposableStack : IDisposable
{
    private readonly Stack<IDisposable> _parts = [];

    /// <summary>Takes over a part.</summary>
    public T Add<T>(T part)
        where T : IDisposable
    {
        _parts.Push(part);
        return part;
    }

    public void Dispose()
    {
        while (_parts.TryPop(out IDisposable? part))
        {
            part.Dispose();
        }
    }
}
