using System.Runtime.InteropServices;
using System.Text.Json;
using Octavo.Formats;
using Octavo.Formats.Stored;
using Octavo.Quantization.Workbench;

namespace Octavo.Quantization.Writing;

/// <summary>Tensors and configuration of the compressed-tensors format.</summary>
/// <remarks>
/// Layouts and field names: compressed-tensors, <c>compressors/</c> and <c>quantization/quant_config.py</c>.
/// </remarks>
internal static class CompressedTensorsWriter
{
    private const string Version = "0.12.2";   // whose definitions these are

    /// <summary>The format of a scheme's matrices.</summary>
    public static string FormatOf(WeightScheme scheme) =>
        scheme.Kind == CodeKind.Float8 ? "float-quantized"
        : scheme.Activations == StoredActivations.Plain || scheme.Bits == 4 ? "pack-quantized"
        : "int-quantized";

    /// <summary>The tensors of a coded matrix.</summary>
    public static IEnumerable<TensorSource> Tensors(CodedMatrix matrix)
    {
        (int rows, int columns, int groups) = (matrix.Rows, matrix.Columns, matrix.Groups);
        var scales = new TensorSource(
            $"{matrix.Module}.weight_scale", matrix.ScaleType, [rows, groups],
            StoredNumbers.Bytes(matrix.Scales, matrix.ScaleType));
        if (FormatOf(matrix.Scheme) != "pack-quantized")
        {
            TensorType type = matrix.Kind == CodeKind.Float8 ? TensorType.Float8E4M3 : TensorType.Int8;
            yield return new TensorSource(
                $"{matrix.Module}.weight", type, [rows, columns],
                MemoryMarshal.AsBytes(matrix.Codes.AsSpan()).ToArray());
            yield return scales;
            if (matrix.Asymmetric)
            {
                byte[] zeros = [.. matrix.Zeros.Select(z => (byte)(sbyte)z)];
                yield return new TensorSource(
                    $"{matrix.Module}.weight_zero_point", TensorType.Int8, [rows, groups], zeros);
            }

            yield break;
        }

        int perWord = 32 / matrix.Bits;
        int words = (columns + perWord - 1) / perWord;
        yield return new TensorSource(
            $"{matrix.Module}.weight_packed", TensorType.Int32, [rows, words], Packed(matrix, words));
        yield return scales;
        yield return new TensorSource(
            $"{matrix.Module}.weight_shape", TensorType.Int64, [2],
            MemoryMarshal.AsBytes<long>(new long[] { rows, columns }).ToArray());
        if (matrix.Asymmetric)
        {
            int wordRows = (rows + perWord - 1) / perWord;
            yield return new TensorSource(
                $"{matrix.Module}.weight_zero_point", TensorType.Int32, [wordRows, groups],
                PackedZeros(matrix, wordRows));
        }
    }

    /// <summary>Writes the object <c>quantization_config</c>.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="schemes">The scheme of each module that is quantized, fitted to its inputs.</param>
    /// <param name="ignored">The modules that are left alone.</param>
    public static void WriteConfig(
        Utf8JsonWriter json, IReadOnlyDictionary<string, WeightScheme> schemes, IEnumerable<string> ignored)
    {
        string[] formats = [.. schemes.Values.Select(FormatOf).Distinct()];
        json.WriteStartObject("quantization_config");
        json.WriteString("quant_method", "compressed-tensors");
        json.WriteString("format", formats.Length == 1 ? formats[0] : "mixed-precision");
        json.WriteString("quantization_status", "compressed");
        json.WriteNull("global_compression_ratio");
        WriteStrings(json, "ignore", ignored);
        json.WriteNull("kv_cache_scheme");
        json.WriteStartObject("config_groups");
        IGrouping<WeightScheme, string>[] groups =
            [.. schemes.GroupBy(s => s.Value, s => s.Key).OrderByDescending(g => g.Count())];
        for (int i = 0; i < groups.Length; i++)
        {
            // The most usual scheme is that of linear layers in general; the others name their modules, which counts
            // for more.
            json.WriteStartObject($"group_{i}");
            WriteStrings(json, "targets", i == 0 ? ["Linear"] : groups[i]);
            WriteGroup(json, groups[i].Key);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteStartObject("sparsity_config");
        json.WriteEndObject();
        json.WriteStartObject("transform_config");
        json.WriteEndObject();
        json.WriteString("version", Version);
        json.WriteEndObject();
    }

    private static void WriteGroup(Utf8JsonWriter json, WeightScheme scheme)
    {
        WriteArguments(
            json, "weights", scheme.Bits, scheme.Kind, !scheme.Asymmetric, scheme.GroupSize == 0 ? "channel" : "group",
            scheme.GroupSize, dynamic: false, "minmax");
        if (scheme.Activations == StoredActivations.Plain)
        {
            json.WriteNull("input_activations");
        }
        else
        {
            WriteArguments(
                json, "input_activations", 8, CodeKind.Integer, true, scheme.GroupSize == 0 ? "token" : "group",
                scheme.GroupSize, dynamic: true, null);
        }

        json.WriteNull("output_activations");
        json.WriteString("format", FormatOf(scheme));
    }

    private static void WriteArguments(
        Utf8JsonWriter json, string name, int bits, CodeKind kind, bool symmetric, string strategy, int groupSize,
        bool dynamic, string? observer)
    {
        json.WriteStartObject(name);
        json.WriteNumber("num_bits", bits);
        json.WriteString("type", kind == CodeKind.Integer ? "int" : "float");
        json.WriteBoolean("symmetric", symmetric);
        json.WriteString("strategy", strategy);
        if (groupSize == 0)
        {
            json.WriteNull("group_size");
        }
        else
        {
            json.WriteNumber("group_size", groupSize);
        }

        json.WriteNull("block_structure");
        json.WriteBoolean("dynamic", dynamic);
        json.WriteNull("actorder");
        json.WriteString("observer", observer);
        json.WriteStartObject("observer_kwargs");
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteStrings(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (string value in values)
        {
            json.WriteStringValue(value);
        }

        json.WriteEndArray();
    }

    /// <summary>Codes 2^(b−1) above their value, low bits first.</summary>
    private static byte[] Packed(CodedMatrix matrix, int words)
    {
        int perWord = 32 / matrix.Bits;
        uint[] packed = new uint[(long)matrix.Rows * words];
        Parallel.For(0, matrix.Rows, row =>
        {
            for (int k = 0; k < matrix.Columns; k++)
            {
                uint code = (uint)(matrix.Codes[((long)row * matrix.Columns) + k] + (1 << (matrix.Bits - 1)));
                packed[((long)row * words) + (k / perWord)] |= code << (k % perWord * matrix.Bits);
            }
        });
        return MemoryMarshal.AsBytes(packed.AsSpan()).ToArray();
    }

    /// <summary>Zero-points likewise, along the outputs.</summary>
    private static byte[] PackedZeros(CodedMatrix matrix, int words)
    {
        int perWord = 32 / matrix.Bits;
        uint[] packed = new uint[(long)words * matrix.Groups];
        for (int row = 0; row < matrix.Rows; row++)
        {
            for (int g = 0; g < matrix.Groups; g++)
            {
                uint zero = (uint)(matrix.Zeros[(row * matrix.Groups) + g] + (1 << (matrix.Bits - 1)));
                packed[(row / perWord * matrix.Groups) + g] |= zero << (row % perWord * matrix.Bits);
            }
        }

        return MemoryMarshal.AsBytes(packed.AsSpan()).ToArray();
    }
}
