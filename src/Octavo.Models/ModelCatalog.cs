using Octavo.Formats;
using Octavo.Formats.Gguf;
using Octavo.Models.Gguf;

namespace Octavo.Models;

/// <summary>The model families that are supported, and the way from a model's directory to its description.</summary>
internal static class ModelCatalog
{
    private static readonly ModelFamily[] Families =
    [
        ApertusFamily.Family, ArceeFamily.Family, BloomFamily.Family, CodeGenFamily.Family, Cohere2Family.Family,
        CohereFamily.Family, Ernie45Family.Family, Exaone4Family.Family, FalconFamily.Family, Gemma2Family.Family,
        Gemma3Family.Family, Gemma4Family.Family, GemmaFamily.Family, Glm4Family.Family, GlmFamily.Family,
        Gpt2Family.Family, GptBigCodeFamily.Family, GptJFamily.Family, GptNeoFamily.Family, GptNeoXFamily.Family,
        GraniteFamily.Family, GraniteSwaFamily.Family, HeliumFamily.Family, HunyuanFamily.Family, Jais2Family.Family,
        LlamaFamily.Family, Ministral3Family.Family, MistralFamily.Family, MptFamily.Family, NanoChatFamily.Family,
        NemotronFamily.Family, Olmo2Family.Family, Olmo3Family.Family, OlmoFamily.Family, OptFamily.Family,
        PersimmonFamily.Family, Phi3Family.Family, PhiFamily.Family, Qwen2Family.Family, Qwen3Family.Family,
        SeedOssFamily.Family, SmolLm3Family.Family, StableLmFamily.Family, Starcoder2Family.Family,
        VaultGemmaFamily.Family,
    ];

    // What a model of several parts may state for all of them.
    private static readonly string[] OfTheWhole =
        ["tie_word_embeddings", "dtype", "torch_dtype", "bos_token_id", "eos_token_id"];

    /// <summary>The families, by name.</summary>
    public static IReadOnlyList<ModelFamily> All { get; } =
        [.. Families.OrderBy(family => family.Title, StringComparer.OrdinalIgnoreCase)];

    /// <summary>The supported names of a config's <c>architectures</c>.</summary>
    public static IReadOnlyList<string> SupportedArchitectures { get; } =
        [.. Families.Select(family => family.Architecture)];

    /// <summary>Maps a model's config onto a decoder and checks the checkpoint against it.</summary>
    /// <exception cref="UnsupportedModelException">The model asks for something that is not supported.</exception>
    /// <exception cref="CheckpointException">A field or tensor is missing or wrong.</exception>
    public static ModelDescription Describe(ModelSource source, Checkpoint checkpoint)
    {
        if (source.Gguf is { } metadata)
        {
            return Describe(source, metadata, checkpoint);
        }

        (ModelFamily family, ConfigReader config) = FamilyOf(source.Config);
        HashSet<string> asked = [];
        DecoderSpec spec = family.Map(config.Recording(asked), new TensorNames(checkpoint));
        SpecValidator.Validate(spec, checkpoint);
        IEnumerable<string> unused = UnusedTensors.Find(spec, checkpoint, family.Idle);
        return new ModelDescription(
            spec,
            source.Generation.BosTokenId ?? Ids(config, "bos_token_id").Cast<int?>().FirstOrDefault(),
            [.. source.Generation.EosTokenIds.Union(Ids(config, "eos_token_id"))],
            StoredType(config) ?? checkpoint.Get(spec.TokenEmbedding).Type,
            [
                .. source.Generation.Notes,
                .. checkpoint.Notes,
                .. TiedHead.Notes(config, checkpoint, spec, family.TiesHead),
                .. config == source.Config ? Array.Empty<string>() : [OnlyText(config)],
                .. unused,
                .. UnknownFields.Notes(config, asked, family),
            ]);
    }

    /// <summary>
    /// The decoder that a config describes, without files that hold it: tensors have their usual names.
    /// </summary>
    /// <exception cref="UnsupportedModelException">The model asks for something that is not supported.</exception>
    /// <exception cref="CheckpointException">A field is missing or wrong.</exception>
    public static DecoderSpec Describe(ConfigReader whole) => Describe(whole, out _);

    /// <summary>The same, and what of the config is not used, in words.</summary>
    /// <inheritdoc cref="Describe(ConfigReader)"/>
    public static DecoderSpec Describe(ConfigReader whole, out IReadOnlyList<string> notes)
    {
        (ModelFamily family, ConfigReader config) = FamilyOf(whole);
        HashSet<string> asked = [];
        DecoderSpec spec = family.Map(config.Recording(asked), TensorNames.None);
        notes =
        [
            .. config == whole ? Array.Empty<string>() : [OnlyText(config)],
            .. UnknownFields.Notes(config, asked, family),
        ];
        return spec;
    }

    private static ModelDescription Describe(ModelSource source, GgufMetadata metadata, Checkpoint checkpoint)
    {
        var config = new GgufConfig(source.Path, metadata, checkpoint);
        ConfigReader reader = config.ToReader();
        DecoderSpec spec = new GgufLayout(config.Architecture, checkpoint).Apply(
            FamilyOf(reader).Family.Map(reader, TensorNames.None));
        SpecValidator.Validate(spec, checkpoint);
        return new ModelDescription(
            spec, source.Generation.BosTokenId, source.Generation.EosTokenIds, checkpoint.Get(spec.TokenEmbedding).Type,
            [
                .. source.Generation.Notes,
                .. checkpoint.Notes,
                .. UnusedTensors.Find(spec, checkpoint, GgufLayout.Idle),
            ]);
    }

    private static string OnlyText(ConfigReader text)
    {
        string part = text.PathOf(string.Empty).TrimEnd('.');
        return $"config.json describes a model of several parts: only its text, {part}, is loaded";
    }

    // −1 is how some configs say that there is no such token.
    private static IEnumerable<int> Ids(ConfigReader config, string field) =>
        config.Integers(field).Where(id => id != -1);

    /// <summary>The family of a model, and the part of its config that describes the decoder.</summary>
    private static (ModelFamily Family, ConfigReader Config) FamilyOf(ConfigReader config)
    {
        string? architecture = config.Texts("architectures") is [var first, ..] ? first : null;
        // The same name has been spelled in several ways: MPTForCausalLM is transformers' MptForCausalLM.
        if (Array.Find(
            Families,
            family => family.Architecture.Equals(architecture, StringComparison.OrdinalIgnoreCase)) is { } known)
        {
            return (known, config);
        }

        if (config.SectionWith("text_config", OfTheWhole) is { } text
            && text.Text("model_type") is { } part
            && Array.Find(Families, family => family.ModelType == part || family.TextTypes.Contains(part)) is { } inner)
        {
            return (inner, text);
        }

        if (architecture is not null)
        {
            throw new UnsupportedModelException(
                config.File, "architectures", $"'{architecture}'", SupportedArchitectures);
        }

        string type = config.Text("model_type") ?? throw config.Missing("architectures");
        return (
            Array.Find(Families, family => family.ModelType == type)
                ?? throw new UnsupportedModelException(
                    config.File, "model_type", $"'{type}'", Families.Select(family => family.ModelType)),
            config);
    }

    // transformers 5 calls the field dtype, earlier versions torch_dtype; a name that is no stored type says nothing.
    private static TensorType? StoredType(ConfigReader config) =>
        (config.Text("dtype") ?? config.Text("torch_dtype")) switch
        {
            "float32" => TensorType.Float32,
            "float16" => TensorType.Float16,
            "bfloat16" => TensorType.BFloat16,
            _ => null,
        };
}
