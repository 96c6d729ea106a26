using Octavo.Cpu.Cache;
using Octavo.Cpu.Linears;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Panels;
using Octavo.Cpu.Threading;
using Octavo.Engine;
using Octavo.Models;

namespace Octavo.Cpu.Sublayers;

/// <summary>Rows of float32, one for each token of a step.</summary>
internal sealed unsafe class RowBuffer : IDisposable
{
    private readonly NativeBuffer _buffer;

    public RowBuffer(long rows, int width)
    {
        Stride = OddLines(width);
        _buffer = NativeBuffer.OfFloats(rows * Stride);
    }

    /// <summary>Floats between two rows.</summary>
    public int Stride { get; }

    /// <summary>The first row.</summary>
    public float* Floats => _buffer.Floats;

    /// <summary>A row.</summary>
    public float* Row(int row) => _buffer.Floats + ((long)row * Stride);

    public void Dispose() => _buffer.Dispose();

    /// <summary>
    /// A distance between rows that is an odd number of cache lines. A panel writes two lines of every row; rows that
    /// lie a multiple of 4 KiB apart would all want the same few places in the cache.
    /// </summary>
    private static int OddLines(int width) => (((width + 15) / 16) | 1) * 16;
}

/// <summary>Sees what linear layers are given.</summary>
internal unsafe interface IInputTap
{
    /// <summary>
    /// A row of a linear layer's input, <c>[width]</c>; several workers call it at once, with different rows.
    /// </summary>
    void Record(Linear linear, int row, float* input);
}

/// <summary>
/// What the sublayers of a decoder share while a step runs: the team, the step, the cache, the residual stream, and by
/// kind of part its <see cref="Sublayers.Workspace"/>. All buffers are owned here.
/// </summary>
internal sealed unsafe class StepState : IDisposable
{
    // Some microseconds of work: claiming it costs little beside that, and all end at about the same time.
    private const int MostRowsAtOnce = 8;

    private readonly DisposableStack _owned = new();
    private readonly Workspace[] _workspaces;
    private readonly NativeBuffer[] _row;

    /// <summary>Reserves the buffers.</summary>
    /// <param name="spec">The decoder.</param>
    /// <param name="cache">Where keys and values are kept.</param>
    /// <param name="team">Who computes.</param>
    /// <param name="isa">The kernels.</param>
    /// <param name="maxModelLen">The longest sequence, in tokens.</param>
    /// <param name="maxTokens">The most tokens a step has.</param>
    public StepState(
        DecoderSpec spec, KvCache cache, ThreadTeam team, InstructionSet isa, int maxModelLen, int maxTokens)
    {
        (Cache, Team, InstructionSet, MaxModelLen, MaxTokens) = (cache, team, isa, maxModelLen, maxTokens);
        _workspaces = [.. Sublayer.WorkspacesOf(spec)];
        Input = new ActivationBuffer(maxTokens, []);
        try
        {
            Hidden = Own(new RowBuffer(maxTokens, spec.HiddenSize));
            foreach (Workspace workspace in _workspaces)
            {
                workspace.Reserve(this);
            }

            Projected = Own(new RowBuffer(maxTokens, ProjectedWidth(spec)));
            LayerInput = Own(new RowBuffer(KeepsLayerInput(spec) ? maxTokens : 0, spec.HiddenSize));
            _row = [.. Enumerable.Range(0, team.Count).Select(_ => Own(NativeBuffer.OfFloats(spec.HiddenSize)))];
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public KvCache Cache { get; }

    public ThreadTeam Team { get; }

    public InstructionSet InstructionSet { get; }

    /// <summary>The longest sequence, in tokens.</summary>
    public int MaxModelLen { get; }

    /// <summary>The most tokens a step has.</summary>
    public int MaxTokens { get; }

    /// <summary>The residual stream.</summary>
    public RowBuffer Hidden { get; }

    /// <summary>
    /// Beside the layers: between the embedding, the head and their projections. In them: what a part gave, before it
    /// is normed and added.
    /// </summary>
    public RowBuffer Projected { get; }

    /// <summary>What the layer was given, where several of its parts read that.</summary>
    public RowBuffer LayerInput { get; }

    /// <summary>What the next linear layer reads.</summary>
    public ActivationBuffer Input { get; private set; }

    /// <summary>The step that is run.</summary>
    public StepBatch Batch { get; private set; } = null!;

    /// <summary>Sees the inputs of linear layers, or null.</summary>
    public IInputTap? Tap { get; set; }

    /// <summary>Bytes of the buffers for steps of so many tokens.</summary>
    public static long BytesFor(DecoderSpec spec, int maxTokens)
    {
        int projected = ProjectedWidth(spec);
        int widestInput = spec.Layers.SelectMany(layer => layer.Linears).Select(linear => linear.Columns)
            .Append(projected).Max();
        return (long)maxTokens * sizeof(float)
            * (((KeepsLayerInput(spec) ? 2 : 1) * spec.HiddenSize)
                + Sublayer.WorkspacesOf(spec).Sum(w => w.FloatsPerToken) + projected + widestInput);
    }

    /// <summary>Takes over what a workspace reserves.</summary>
    public T Own<T>(T buffer)
        where T : IDisposable => _owned.Add(buffer);

    /// <summary>What the parts of a kind share in this step; asked for by each part that runs.</summary>
    public T Workspace<T>()
        where T : Workspace
    {
        foreach (Workspace workspace in _workspaces)
        {
            if (workspace is T found)
            {
                return found;
            }
        }

        throw new InvalidOperationException($"the decoder has no part that takes a {typeof(T).Name}");
    }

    /// <summary>Makes room for the inputs of these layers.</summary>
    public void MakeRoomFor(IEnumerable<Linear> linears)
    {
        PanelLayout[] layouts = [.. linears.Select(linear => linear.Layout)];
        if (!layouts.All(Input.Holds))
        {
            Input.Dispose();
            Input = new ActivationBuffer(MaxTokens, layouts);
        }
    }

    /// <summary>Sets the step that the team is about to run.</summary>
    public void Begin(StepBatch batch)
    {
        Batch = batch;
        foreach (Workspace workspace in _workspaces)
        {
            workspace.Begin(batch);
        }

        Input.Begin(batch.NumTokens);
    }

    /// <summary>Goes through rows, a few of them at a time: one phase.</summary>
    public void ForRows<TRows>(TeamMember member, int rows, TRows work)
        where TRows : struct, IRows
    {
        int atOnce = Math.Clamp(rows / (Team.Count * 4), 1, MostRowsAtOnce);
        member.Divide((rows + atOnce - 1) / atOnce, new RowItems<TRows>(work, rows, atOnce));
    }

    /// <summary>A member's own row, <c>[hidden]</c>: between a norm and the layer that reads it.</summary>
    public float* Row(TeamMember member) => _row[member.Number].Floats;

    /// <summary>Writes a row of a linear layer's input.</summary>
    public void Store(Linear next, int row, float* x)
    {
        Input.Store(next.Layout, row, x);
        Tap?.Record(next, row, x);
    }

    /// <summary>Writes rows of a linear layer's input: one phase.</summary>
    public void Store(TeamMember member, Linear next, float* x, int stride, int rows) =>
        ForRows(member, rows, new StoredRows(this, next, x, stride));

    /// <summary>Computes a linear layer: one phase.</summary>
    public void Multiply(TeamMember member, Linear linear, int rows, in LinearOutput output) =>
        linear.Run(member, Input, rows, output);

    public void Dispose()
    {
        Input.Dispose();
        _owned.Dispose();
    }

    private static bool KeepsLayerInput(DecoderSpec spec) =>
        spec.Layers.Any(layer => layer.Parts.Any(part => part.ReadsLayerInput));

    private static int ProjectedWidth(DecoderSpec spec) => Math.Max(spec.HiddenSize, spec.EmbeddingSize);

    private readonly struct StoredRows(StepState step, Linear next, float* x, int stride) : IRows
    {
        public void Run(int row, TeamMember member) => step.Store(next, row, x + ((long)row * stride));
    }

    private readonly struct RowItems<TRows>(TRows work, int rows, int atOnce) : IOwnItems
        where TRows : struct, IRows
    {
        private readonly TRows _work = work;

        public void Run(int item, TeamMember member)
        {
            int end = Math.Min(rows, (item + 1) * atOnce);
            for (int row = item * atOnce; row < end; row++)
            {
                _work.Run(row, member);
            }
        }
    }
}

/// <summary>What is done row by row; a row is one member's.</summary>
internal interface IRows
{
    void Run(int row, TeamMember member);
}
