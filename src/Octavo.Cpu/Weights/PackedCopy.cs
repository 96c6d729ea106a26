using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Panels;
using Octavo.Formats;

namespace Octavo.Cpu.Weights;

/// <summary>
/// A plan's linear layers as they lie in memory, in a file beside the checkpoint: mapped instead of packed, so that
/// loading takes no time and several processes share one copy.
/// </summary>
/// <remarks>
/// <code>
/// 8 bytes                 "octavopk"
/// 8 bytes                 length of the header, little-endian
/// header                  JSON: format, key, bytes (of the whole file)
/// each layer of the plan  its panels, then its bias, each from a multiple of 4 KiB on
/// </code>
/// Where a layer lies follows from the plan. The key is a hash of all that the panels depend on: the checkpoint (names,
/// sizes and times of its files, its tensors), the kernels, and how each layer is stored. Nothing is read to check it
/// but the header.
/// </remarks>
internal sealed unsafe class PackedCopy : IDisposable
{
    private const int Format = 1;          // to be raised with every change of the format, of panels, or of rounding
    private const int Page = 4096;
    private const int Prefix = 2 * sizeof(long);

    private readonly MappedFile _file;
    private readonly Dictionary<string, (long Panels, long Bias)> _offsets = [];

    private PackedCopy(MappedFile file, WeightPlan plan)
    {
        _file = file;
        foreach ((string name, _, long panels, long bias) in Places(plan))
        {
            _offsets.Add(name, (panels, bias));
        }
    }

    private static ReadOnlySpan<byte> Magic => "octavopk"u8;

    /// <summary>Where a checkpoint's copy for a scheme and for kernels lies; null where it is in no file.</summary>
    public static string? PathFor(Checkpoint checkpoint, WeightScheme scheme, InstructionSet isa)
    {
        string? directory = checkpoint.Files.Count == 0 ? null : Path.GetDirectoryName(checkpoint.Files[0]);
        string kernels = isa.ToString().ToLowerInvariant();
        return directory is null ? null : Path.Combine(directory, $"{scheme.Name ?? "plain"}-{kernels}.octavo");
    }

    /// <summary>Opens a copy.</summary>
    /// <param name="path">The file.</param>
    /// <param name="plan">What it must be of.</param>
    /// <param name="key">The plan's key.</param>
    /// <param name="refusal">Why it is not used, where it is not.</param>
    public static PackedCopy? TryOpen(string path, WeightPlan plan, string key, out string? refusal)
    {
        MappedFile file = MappedFile.Open(path, Prefix, "a packed copy's header");
        refusal = Refusal(file, plan, key);
        if (refusal is null)
        {
            return new PackedCopy(file, plan);
        }

        file.Dispose();
        refusal = $"{Path.GetFileName(path)} is not used: {refusal}; octavo pack writes it anew";
        return null;
    }

    /// <summary>What tells a plan's copy from all others.</summary>
    public static string KeyOf(Checkpoint checkpoint, WeightPlan plan, InstructionSet isa)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Format} {isa} {CheckpointFingerprint.Of(checkpoint)}\n");
        foreach (string file in checkpoint.Files)
        {
            text.Append(CultureInfo.InvariantCulture, $"{File.GetLastWriteTimeUtc(file).Ticks}\n");
        }

        foreach ((string name, PlannedMatrix m) in plan.Matrices)
        {
            (MatrixSource source, LinearScheme scheme) = (m.Source, m.Scheme);
            text.Append(
                CultureInfo.InvariantCulture,
                $"{name} {source.Rows} {source.Columns} {source.HasBias} {scheme} {source.Stored} "
                    + $"{ByteDot.Bias(scheme, isa)}\n");
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>Packs a plan's layers into a file, one after another; it takes the place of an older one at the end.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="key">Its key.</param>
    /// <param name="isa">The kernels.</param>
    /// <param name="packed">Hears the stored bytes of each layer; may throw to stop.</param>
    /// <returns>The file's size.</returns>
    public static long Write(string path, WeightPlan plan, string key, InstructionSet isa, Action<long> packed)
    {
        string unfinished = $"{path}.{Environment.ProcessId}.tmp";
        try
        {
            long bytes = SizeOf(plan);
            using (var stream = new FileStream(unfinished, FileMode.Create, FileAccess.Write))
            {
                WriteHeader(stream, key, bytes);
                foreach ((_, PlannedMatrix m, long panels, long bias) in Places(plan))
                {
                    using var matrix = new PackedPanels(m.Source, m.Scheme, ByteDot.Bias(m.Scheme, isa));
                    WriteAt(stream, panels, matrix.Panel(0), matrix.PanelsBytes);
                    WriteAt(stream, bias, (byte*)matrix.Bias(0), matrix.BiasBytes);
                    packed(m.Source.StoredBytes);
                }

                stream.SetLength(bytes);
                stream.Flush(flushToDisk: true);
            }

            File.Move(unfinished, path, overwrite: true);
            return bytes;
        }
        finally
        {
            File.Delete(unfinished);
        }
    }

    /// <summary>Where a layer's panels and bias lie; the bias counts only where the layer has one.</summary>
    public (nint Panels, nint Bias) Find(string name)
    {
        (long panels, long bias) = _offsets[name];
        return ((nint)(_file.Start + panels), (nint)(_file.Start + bias));
    }

    public void Dispose() => _file.Dispose();

    private static string? Refusal(MappedFile file, WeightPlan plan, string key)
    {
        var start = new ReadOnlySpan<byte>(file.Start, (int)Math.Min(file.Length, Page));
        long length = BinaryPrimitives.ReadInt64LittleEndian(start[sizeof(long)..]);
        if (!start.StartsWith(Magic) || length < 0 || length > start.Length - Prefix
            || !TryRead(start.Slice(Prefix, (int)length), out JsonElement header))
        {
            return "it is no packed copy, or a damaged one";
        }

        if (Member(header, "format") != Format.ToString(CultureInfo.InvariantCulture))
        {
            return $"its format is {Member(header, "format")}, this version's is {Format}";
        }

        return Member(header, "key") != key ? "it was packed from other weights, or for other options"
            : file.Length != SizeOf(plan) ? $"it has {file.Length} bytes of {SizeOf(plan)}: it was cut off"
            : null;
    }

    private static string? Member(JsonElement header, string name) =>
        header.ValueKind == JsonValueKind.Object && header.TryGetProperty(name, out JsonElement value)
            ? value.ToString()
            : null;

    private static bool TryRead(ReadOnlySpan<byte> json, out JsonElement header)
    {
        var reader = new Utf8JsonReader(json);
        try
        {
            header = JsonElement.ParseValue(ref reader);
            return true;
        }
        catch (JsonException)
        {
            header = default;
            return false;
        }
    }

    private static void WriteHeader(Stream stream, string key, long bytes)
    {
        using var header = new MemoryStream();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            json.WriteNumber("format", Format);
            json.WriteString("key", key);
            json.WriteNumber("bytes", bytes);
            json.WriteEndObject();
        }

        Span<byte> length = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(Magic);
        stream.Write(length);
        stream.Write(header.GetBuffer(), 0, (int)header.Length);
    }

    private static void WriteAt(Stream stream, long offset, byte* start, long bytes)
    {
        const int AtOnce = 1 << 20;
        stream.Position = offset;
        for (long done = 0; done < bytes; done += AtOnce)
        {
            stream.Write(new ReadOnlySpan<byte>(start + done, (int)Math.Min(AtOnce, bytes - done)));
        }
    }

    private static IEnumerable<(string Name, PlannedMatrix Matrix, long Panels, long Bias)> Places(WeightPlan plan)
    {
        long next = Page;
        foreach ((string name, PlannedMatrix m) in plan.Matrices)
        {
            long panels = next;
            long bias = panels + Align(m.PanelsBytes);
            next = bias + Align(m.BiasBytes);
            yield return (name, m, panels, bias);
        }
    }

    private static long SizeOf(WeightPlan plan) =>
        Page + plan.Matrices.Sum(m => Align(m.Matrix.PanelsBytes) + Align(m.Matrix.BiasBytes));

    private static long Align(long bytes) => (bytes + Page - 1) / Page * Page;
}
