using System.Globalization;
using Octavo.Formats;
using Octavo.Formats.Stored;

namespace Octavo.Models;

/// <summary>
/// Accounts for every tensor of a checkpoint: the decoder names it, or its family is known to have no use for it. One
/// that stands among the decoder's own parts and is neither would change the results, and is refused; the others, a
/// second model's, say, are named in a note.
/// </summary>
internal static class UnusedTensors
{
    private const int Named = 4;

    /// <summary>What of a checkpoint is not read, in words; nothing where all of it is.</summary>
    /// <param name="spec">The decoder, whose own tensors were found to be as they should.</param>
    /// <param name="checkpoint">The tensors.</param>
    /// <param name="idle">Ends of names that the family has no use for.</param>
    /// <exception cref="CheckpointException">A tensor is there that would change the results.</exception>
    public static IReadOnlyList<string> Find(DecoderSpec spec, Checkpoint checkpoint, IReadOnlyList<string> idle)
    {
        HashSet<string> used = [.. UsedNames(spec, checkpoint)];
        string embedding = new LinearTensors(spec.TokenEmbedding, null).Module;
        string prefix = embedding[..(embedding.LastIndexOf('.') + 1)];
        List<Tensor> unread = [];
        foreach (Tensor tensor in checkpoint.Tensors.Values)
        {
            if (used.Contains(tensor.Name) || idle.Any(end => tensor.Name.EndsWith(end, StringComparison.Ordinal)))
            {
                continue;
            }

            if (Refusal(spec, tensor.Name, prefix) is { } problem)
            {
                throw new CheckpointException(tensor.File, tensor.Name, problem);
            }

            unread.Add(tensor);
        }

        return [.. unread.GroupBy(t => Path.GetFileName(t.File)).Select(Note)];
    }

    private static string Note(IGrouping<string, Tensor> file)
    {
        string[] names = [.. file.Select(t => Shorten(t.Name)).Order(StringComparer.Ordinal)];
        string more = names.Length > Named ? $" and {names.Length - Named} more" : string.Empty;
        string what = names.Length == 1 ? "1 tensor of it is" : $"{names.Length} tensors of it are";
        return $"{file.Key}: {what} not used: {string.Join(", ", names.Take(Named))}{more}";
    }

    // A hostile name may be as long as a header; a note is not.
    private static string Shorten(string name) => name.Length <= 120 ? name : string.Concat(name.AsSpan(0, 120), "...");

    private static string? Refusal(DecoderSpec spec, string name, string prefix)
    {
        const string Layers = "layers.";
        if (!name.StartsWith(prefix, StringComparison.Ordinal))
        {
            return name.StartsWith("lm_head.", StringComparison.Ordinal) ? Stranger(spec) : null;
        }

        string rest = name[prefix.Length..];
        if (rest.StartsWith(Layers, StringComparison.Ordinal)
            && rest[Layers.Length..].Split('.', 2) is [var number, _]
            && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int layer)
            && layer >= spec.NumLayers)
        {
            return $"belongs to layer {layer}, but config.json's num_hidden_layers is {spec.NumLayers}: it must be "
                + "the number of the file's layers";
        }

        // Without a prefix, whatever else is in the file seems to be the decoder's; there the names of parts must tell.
        string[] telling = [Layers, "blk.", "norm", "embed", "project", "lm_head", "output", "rope_"];
        return prefix.Length > 0 || Array.Exists(telling, t => rest.Contains(t, StringComparison.Ordinal))
            ? Stranger(spec)
            : null;
    }

    private static string Stranger(DecoderSpec spec) =>
        $"is no part of {spec.Architecture} as config.json describes it, and leaving it out would change the results: "
        + "architectures and the other fields of config.json must be those of the model that the file holds";

    private static IEnumerable<string> UsedNames(DecoderSpec spec, Checkpoint checkpoint)
    {
        foreach (TableSpec table in spec.Tables)
        {
            yield return table.Name;
        }

        foreach (VectorSpec vector in spec.Vectors)
        {
            yield return vector.Name;
        }

        foreach (string name in spec.Norms.SelectMany(norm => norm.Names.All))
        {
            yield return name;
        }

        foreach (MatrixSpec matrix in spec.Linears.SelectMany(linear => linear.Matrices))
        {
            LinearTensors names = matrix.Names;

            // Beside a quantized weight, a bias that config.json does not know was found to hold zeros.
            yield return names.Bias ?? SpecValidator.BiasOf(names.Weight);
            if (checkpoint.FindQuantized(names.Weight) is not { } quantized)
            {
                yield return names.Weight;
                continue;
            }

            foreach (string part in quantized.Parts)
            {
                yield return $"{quantized.Module}.{part}";
            }
        }

        IEnumerable<string> scaled = spec.Attentions.Select(attention => attention.CacheScales).OfType<string>();
        foreach (string name in scaled.SelectMany(KvCacheScales.NamesOf))
        {
            yield return name;
        }
    }
}
