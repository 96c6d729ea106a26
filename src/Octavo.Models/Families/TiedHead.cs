using Octavo.Formats;

namespace Octavo.Models;

/// <summary>The output head, which may be the token embedding.</summary>
internal static class TiedHead
{
    private const string Usual = "lm_head";

    /// <summary>
    /// The head's tensors, or null where it is the embedding. A head that is stored counts, whatever
    /// <c>tie_word_embeddings</c> says, as in transformers since version 5: fine-tuning has made two of what was one,
    /// and left the flag. A copy of the embedding gives the same results either way.
    /// </summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="names">Its tensors.</param>
    /// <param name="fallback">What the family takes where the field is absent.</param>
    /// <param name="module">The head's module.</param>
    /// <param name="bias">Whether it has a bias.</param>
    public static LinearTensors? Read(
        ConfigReader config, TensorNames names, bool fallback, string module = Usual, bool bias = false)
    {
        string[] stored = [$"{module}.weight", $"{module}.weight_packed", $"{module}.qweight"];
        bool tied = config.Flag("tie_word_embeddings", fallback) && !Array.Exists(stored, names.Contains);
        if (tied && bias)
        {
            throw new UnsupportedModelException(
                config.File, config.PathOf("tie_word_embeddings"), "true", "false (the head has a bias of its own)");
        }

        return tied ? null : LlamaLayout.Linear(module, bias);
    }

    /// <summary>
    /// The word on a head that counts against the flag; none where it seems to be the embedding's copy.
    /// </summary>
    public static IEnumerable<string> Notes(ConfigReader config, Checkpoint checkpoint, DecoderSpec spec, bool fallback)
    {
        const int Glance = 1 << 16;
        if (config.Flag("tie_word_embeddings", fallback) && spec.OutputHead is { Weight: var name }
            && !(checkpoint.TryGet(name, out Tensor? head)
                && StartOf(head).SequenceEqual(StartOf(checkpoint.Get(spec.TokenEmbedding)))))
        {
            yield return $"{name} is stored, and is not the embedding: it counts, although config.json ties the two "
                + "(tie_word_embeddings)";
        }

        static ReadOnlySpan<byte> StartOf(Tensor tensor) => tensor.Bytes(0, (int)Math.Min(Glance, tensor.ByteLength));
    }
}
