using System.Security.Cryptography;
using Octavo.Cpu.Weights;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Testing;

namespace Octavo.Cpu.Tests;

public sealed class PackedCopyTests : IDisposable
{
    private readonly TalesVariant _model = new();
    private readonly List<IDisposable> _opened = [];

    public void Dispose()
    {
        _opened.ForEach(o => o.Dispose());
        _model.Dispose();
    }

    [Theory]
    [InlineData("int8")]
    [InlineData("int4-weight")]
    [InlineData("bf16")]
    public void Load_FromACopy_GivesTheSameBits(string scheme)
    {
        float[] packed = Logits(Plan(scheme));
        CpuPlan plan = Plan(scheme);
        (string path, long bytes) = plan.Pack();

        new FileInfo(path).Length.ShouldBe(bytes);
        using (PackedCopy? copy = plan.OpenCopy())
        {
            copy.ShouldNotBeNull();
        }

        Plan(scheme).Notes.ShouldBeEmpty();
        Logits(Plan(scheme)).ShouldBe(packed);
        Directory.GetFiles(_model.Path, "*.tmp").ShouldBeEmpty();
    }

    /// <summary>One file, mapped by whoever wants it.</summary>
    [Fact]
    public void Load_TwiceFromACopy_BothRun()
    {
        Plan("int8").Pack();
        CpuPlan plan = Plan("int8");
        using var first = new CpuModelRunner(plan, 4);
        float[] alone = Logits(plan);
        Logits(first).ShouldBe(alone);
    }

    [Fact]
    public void Notes_WeightsWrittenAnew_RefuseTheCopy()
    {
        string path = Plan("int8").Pack().Path;
        string weights = Path.Combine(_model.Path, "model.safetensors");
        File.SetLastWriteTimeUtc(weights, File.GetLastWriteTimeUtc(weights).AddSeconds(1));

        CpuPlan plan = Plan("int8");

        plan.OpenCopy().ShouldBeNull();
        plan.Notes.ShouldBe([$"{Path.GetFileName(path)} is not used: it was packed from other weights, or for other "
            + "options; octavo pack writes it anew"]);
        plan.Pack();
        Plan("int8").Notes.ShouldBeEmpty();
    }

    [Fact]
    public void Notes_OtherOptions_RefuseTheCopy()
    {
        Plan("int8").Pack();
        Plan("int8", head: "int4").Notes.Single().ShouldContain("other options");
        InstructionSet other = ProcessorFeatures.Selected == InstructionSet.Portable
            ? InstructionSet.Avx2
            : InstructionSet.Portable;
        Plan("int8", isa: other).OpenCopy().ShouldBeNull();
    }

    [Theory]
    [InlineData("cut off")]
    [InlineData("no packed copy, or a damaged one")]
    [InlineData("its format is 7")]
    public void Notes_DamagedCopy_SaysHow(string how)
    {
        string path = Plan("int8").Pack().Path;
        byte[] bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, how switch
        {
            "cut off" => bytes[..^4096],
            "its format is 7" => Replaced(bytes, "\"format\":1"u8, "\"format\":7"u8),
            _ => Replaced(bytes, "octavopk"u8, "octavoqk"u8),
        });

        CpuPlan plan = Plan("int8");

        plan.OpenCopy().ShouldBeNull();
        plan.Notes.Single().ShouldContain(how);
        Logits(plan).ShouldNotBeEmpty();
    }

    /// <summary>
    /// A copy that an earlier version wrote is read as long as its format says so: where panels or rounding change,
    /// <c>PackedCopy.Format</c> is to be raised, and then the hash here is another.
    /// </summary>
    [Fact]
    public void Pack_Format1_WritesTheseBytes()
    {
        string path = Plan("int8", isa: InstructionSet.Portable).Pack().Path;
        byte[] panels = File.ReadAllBytes(path)[4096..];
        Convert.ToHexStringLower(SHA256.HashData(panels))[..16].ShouldBe("5e4c86d08768b27e");
    }

    private static byte[] Replaced(byte[] bytes, ReadOnlySpan<byte> what, ReadOnlySpan<byte> with)
    {
        with.CopyTo(bytes.AsSpan(bytes.AsSpan().IndexOf(what)));
        return bytes;
    }

    private CpuPlan Plan(string scheme, string? head = null, InstructionSet? isa = null)
    {
        ModelSource source = ModelSource.Open(_model.Path);
        Checkpoint checkpoint = source.OpenCheckpoint();
        _opened.Add(checkpoint);
        DecoderSpec spec = ModelCatalog.Describe(source, checkpoint).Spec;
        var request = new PlanRequest
        {
            Weights = Schemes.Named(scheme),
            Head = head is null ? null : Schemes.Named(head),
            KvCache = KvCacheFormat.Float32,
            MaxModelLen = 64,
            MaxNumBatchedTokens = 64,
        };
        return new CpuPlan(spec, checkpoint, request, isa);
    }

    private static float[] Logits(CpuPlan plan)
    {
        using var runner = new CpuModelRunner(plan, 4);
        return Logits(runner);
    }

    private static float[] Logits(CpuModelRunner runner)
    {
        var batch = new StepBatch(runner.BlockSize);
        batch.AddSequence([.. Enumerable.Range(300, 20)], 0, [0, 1], 1);
        float[] logits = new float[runner.VocabSize];
        runner.Run(batch, logits);
        return logits;
    }
}
