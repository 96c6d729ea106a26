namespace Octavo.Formats.Hub;

/// <summary>Which of a model's files are wanted.</summary>
internal enum ModelParts
{
    /// <summary>All that loading reads.</summary>
    All,

    /// <summary>Configuration, tokenizer and chat templates.</summary>
    Text,
}

/// <summary>Which files of a repository Octavo reads, so that no others are fetched.</summary>
internal static class NeededFiles
{
    private const string Config = "config.json";
    private const string SingleSafetensors = "model.safetensors";
    private const string SafetensorsEnd = ".safetensors";
    private const string SinglePickled = "pytorch_model.bin";
    private const string PickledIndex = "pytorch_model.bin.index.json";
    private const string TemplateFolder = "additional_chat_templates/";
    private const string TemplateEnd = ".jinja";

    /// <summary>Files beside the weights, as the tokenizers' reader (Octavo.Text) and this one name them.</summary>
    internal static IReadOnlyList<string> Texts { get; } =
    [
        Config, "generation_config.json",
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "tekken.json",
        "vocab.json", "merges.txt", "vocab.txt", "tokenizer.tiktoken", "tiktoken.model", "qwen.tiktoken",
        "chat_template.jinja", "chat_template.json",
    ];

    /// <summary>
    /// What is read before the weights, and says which these are: of a GGUF file, which holds all of it, nothing.
    /// </summary>
    /// <exception cref="HubException">It is no model in a form that is read, or one of several is to be named.
    /// </exception>
    public static IReadOnlyList<HubFile> BeforeWeights(HubName name, HubListing listing, ModelParts parts)
    {
        if (TakesGguf(name, listing))
        {
            return parts == ModelParts.Text ? GgufFiles.Choose(name, listing) : [];
        }

        List<HubFile> files = [.. listing.Files.Where(file => Texts.Contains(file.Path)
            || (file.Path.StartsWith(TemplateFolder, StringComparison.Ordinal)
                && file.Path.EndsWith(TemplateEnd, StringComparison.Ordinal)))];
        if (parts == ModelParts.All && IndexOf(listing) is { } index)
        {
            files.Add(index);
        }

        return files;
    }

    /// <summary>The files that hold the weights.</summary>
    /// <param name="name">The model.</param>
    /// <param name="listing">What there is.</param>
    /// <param name="pathOf">Where a file stands that is here already: the index, where there is one.</param>
    /// <exception cref="HubException">There are none.</exception>
    /// <exception cref="CheckpointException">The index is malformed.</exception>
    public static IReadOnlyList<HubFile> Weights(HubName name, HubListing listing, Func<HubFile, string> pathOf)
    {
        if (TakesGguf(name, listing))
        {
            return GgufFiles.Choose(name, listing);
        }

        HubFile? single = listing.Find(SingleSafetensors);
        if (IndexOf(listing) is { } index)
        {
            string end = index.Path == PickledIndex ? Path.GetExtension(SinglePickled) : SafetensorsEnd;
            string[] named = [.. ShardIndex.Read(pathOf(index), end).Values.Distinct()];
            HubFile?[] found = [.. named.Select(listing.Find)];

            // An index may have been left behind when its shards were joined.
            return Array.IndexOf(found, null) is >= 0 and var missing
                ? single is not null && found.All(file => file is null) ? [single]
                    : throw None($"the repository has no file {named[missing]}, which its {index.Path} names")
                : [.. found.OfType<HubFile>()];
        }

        return single is not null ? [single]
            : Loose(listing, string.Empty, SafetensorsEnd) is { Length: > 0 } safetensors ? safetensors
            : listing.Find(SinglePickled) is { } pickled ? [pickled]
            : Loose(listing, "pytorch_model-", Path.GetExtension(SinglePickled)) is { Length: > 0 } shards ? shards
            : throw None("the repository has no weights: neither safetensors, nor pytorch_model.bin, nor GGUF files");

        HubException None(string problem) => new(HubFailure.NoModel, name.ToString(), problem);
    }

    /// <summary>Whether it is GGUF files that a name means.</summary>
    /// <exception cref="HubException">There is no model in the repository.</exception>
    public static bool TakesGguf(HubName name, HubListing listing)
    {
        if (name.Quantization is not null)
        {
            return true;
        }

        bool hasGguf = GgufFiles.Of(listing).Count > 0;
        bool hasOther = Loose(listing, string.Empty, SafetensorsEnd).Length > 0
            || Loose(listing, "pytorch_model", string.Empty).Length > 0;
        if (listing.Find(Config) is not null && (hasOther || !hasGguf))
        {
            return false;
        }

        return hasGguf ? true : throw new HubException(
            HubFailure.NoModel, name.ToString(),
            $"the repository has neither {Config} nor a GGUF file");
    }

    // Weights that are no pickle go before those that are.
    private static HubFile? IndexOf(HubListing listing) => listing.Find(ShardIndex.FileName)
        ?? (Loose(listing, string.Empty, SafetensorsEnd).Length > 0 ? null : listing.Find(PickledIndex));

    // Files beside config.json, by how their names begin and end.
    private static HubFile[] Loose(HubListing listing, string begin, string end) =>
    [
        .. listing.Files.Where(file => !file.Path.Contains('/')
            && file.Path.StartsWith(begin, StringComparison.Ordinal)
            && file.Path.EndsWith(end, StringComparison.Ordinal)),
    ];
}
