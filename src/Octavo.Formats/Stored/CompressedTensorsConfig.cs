using System.Text.Json;
using System.Text.RegularExpressions;

namespace Octavo.Formats.Stored;

/// <summary>
/// The configuration of compressed-tensors: groups of modules with a scheme each, and modules that are left alone.
/// </summary>
/// <remarks>Field names: compressed-tensors, <c>quantization/quant_config.py</c> and <c>quant_args.py</c>.</remarks>
internal sealed class CompressedTensorsConfig : QuantizationConfig
{
    private const string ClassOfLinears = "Linear";
    private const string Float4OfPowers = "mxfp4-pack-quantized";
    private const string Float4OfMatrix = "nvfp4-pack-quantized";

    private static readonly string[] Formats =
    [
        "int-quantized", "pack-quantized", "float-quantized", "naive-quantized", Float4OfPowers, Float4OfMatrix,
        "mixed-precision", "dense",
    ];

    private readonly ModulePattern[] _ignored;
    private readonly List<(ModulePattern[] Targets, CompressedTensorsScheme? Scheme)> _groups = [];
    private readonly List<string> _notes = [];

    public CompressedTensorsConfig(ConfigReader config)
    {
        string format = config.Text("format") ?? "dense";
        Require<string>(config, "format", format, Formats);
        RefuseUnlessEmpty(config, "transform_config");
        if (config.Section("sparsity_config") is { } sparsity && (sparsity.Text("format") ?? "dense") != "dense")
        {
            Require(sparsity, "format", sparsity.Text("format")!, "dense");
        }

        _ignored = [.. config.Texts("ignore").Select(t => new ModulePattern(config, "ignore", t))];
        CachesFloat8 = config.Section("kv_cache_scheme") is { } cache && RequireFloat8(cache);

        if (config.Section("config_groups") is not { } groups)
        {
            return;
        }

        foreach (JsonProperty property in config.Find("config_groups")!.Value.EnumerateObject())
        {
            ConfigReader group = groups.Section(property.Name) ?? throw groups.Missing(property.Name);
            string ofGroup = group.Text("format") ?? format;
            Require<string>(group, "format", ofGroup, Formats);
            CompressedTensorsScheme? scheme = ofGroup switch
            {
                "dense" => null,
                Float4OfPowers => CompressedTensorsScheme.ReadFloat4(group, Float4Scales.Power, 32, _notes),
                Float4OfMatrix => CompressedTensorsScheme.ReadFloat4(group, Float4Scales.OfMatrix, 16, _notes),
                _ => CompressedTensorsScheme.Read(group, _notes),
            };
            _groups.Add(([.. group.Texts("targets").Select(t => new ModulePattern(group, "targets", t))], scheme));
        }
    }

    public override string Method => "compressed-tensors";

    public override string Summary =>
        string.Join("; ", _groups.Select(g => g.Scheme?.ToString() ?? "dense").Distinct());

    public override IReadOnlyList<string> Notes => [.. _notes.Distinct()];

    public override bool CachesFloat8 { get; }

    public override QuantizedMatrix? Find(ITensorSet checkpoint, string module)
    {
        CompressedTensorsScheme? scheme = SchemeOf(module);
        if (scheme is not null)
        {
            return scheme.Float4 is null
                ? CompressedTensorsMatrix.Open(checkpoint, module, scheme)
                : Float4Matrix.Open(checkpoint, module, scheme);
        }

        string? stray = Array.Find([$"{module}.weight_packed", $"{module}.weight_scale"], checkpoint.Contains);
        return stray is null
            ? null
            : throw new CheckpointException(
                checkpoint.Get(stray).File, stray,
                "belongs to a quantized weight, but quantization_config leaves its module alone");
    }

    // A module's own name counts for more than its class.
    private CompressedTensorsScheme? SchemeOf(string module)
    {
        if (Array.Exists(_ignored, p => p.Text == ClassOfLinears || p.Matches(module)))
        {
            return null;
        }

        foreach (bool byClass in (ReadOnlySpan<bool>)[false, true])
        {
            foreach ((ModulePattern[] targets, CompressedTensorsScheme? scheme) in _groups)
            {
                if (Array.Exists(targets, p => byClass ? p.Text == ClassOfLinears : p.Matches(module)))
                {
                    return scheme;
                }
            }
        }

        return null;
    }

    // The one scheme of caches that vLLM takes, too.
    private static bool RequireFloat8(ConfigReader cache)
    {
        Require(cache, "type", cache.Text("type") ?? "int", "float");
        Require(cache, "num_bits", cache.Integer("num_bits") ?? 8, 8);
        Require(cache, "strategy", cache.Text("strategy") ?? "tensor", "tensor");
        Require(cache, "symmetric", cache.Flag("symmetric", true), true);
        Require(cache, "dynamic", cache.Flag("dynamic", false), false);
        return true;
    }

    private static void RefuseUnlessEmpty(ConfigReader config, string field)
    {
        if (config.Find(field) is { } value
            && !(value.ValueKind == JsonValueKind.Object && !value.EnumerateObject().Any()))
        {
            throw new UnsupportedModelException(config.File, config.PathOf(field), value.GetRawText(), "{}");
        }
    }

    /// <summary>
    /// A module's name, or after <c>re:</c> a regular expression that a name must begin with, as Python's
    /// <c>re.match</c> has it.
    /// </summary>
    private sealed class ModulePattern
    {
        private const string Prefix = "re:";
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

        private readonly ConfigReader _config;
        private readonly Regex? _regex;

        public ModulePattern(ConfigReader config, string field, string text)
        {
            (_config, Text) = (config, text);
            if (!text.StartsWith(Prefix, StringComparison.Ordinal))
            {
                return;
            }

            try
            {
                _regex = new Regex($@"\A(?:{text[Prefix.Length..]})", RegexOptions.CultureInvariant, Patience);
            }
            catch (ArgumentException e)
            {
                throw config.Invalid(field, $"holds '{text}', which is no regular expression: {e.Message}");
            }
        }

        public string Text { get; }

        public bool Matches(string module)
        {
            try
            {
                return _regex?.IsMatch(module) ?? Text == module;
            }
            catch (RegexMatchTimeoutException)
            {
                throw _config.Invalid("targets or ignore", $"holds '{Text}', which takes too long to match");
            }
        }
    }
}

/// <summary>What E2M1 numbers are multiplied with.</summary>
internal enum Float4Scales
{
    /// <summary>A power of two for each group.</summary>
    Power,

    /// <summary>An E4M3 number for each group, over one of the matrix.</summary>
    OfMatrix,
}

/// <summary>How the modules of one group are quantized.</summary>
internal sealed record CompressedTensorsScheme(
    CodeKind Kind, int Bits, string Strategy, int? GroupSize, (int Rows, int Columns)? Block, bool Asymmetric,
    StoredActivations Activations)
{
    public static CompressedTensorsScheme Read(ConfigReader group, List<string> notes)
    {
        ConfigReader weights = group.Section("weights") ?? throw group.Missing("weights");
        Refuse(group, "output_activations");
        string type = weights.Text("type") ?? "int";
        Require(weights, "type", type, "int", "float");
        int bits = weights.Integer("num_bits") ?? 8;
        Require(weights, "num_bits", bits, type == "int" ? [4, 8] : [8]);
        string strategy = weights.Text("strategy") ?? (weights.Integer("group_size") is > 0 ? "group" : "tensor");
        Require(weights, "strategy", strategy, "tensor", "channel", "group", "block");
        int? size = weights.Integer("group_size");
        if (strategy == "group" && size is not > 0)
        {
            throw weights.Missing("group_size");
        }

        (int, int)? block = null;
        if (strategy == "block")
        {
            block = weights.Integers("block_structure") is [> 0 and var rows, > 0 and var columns]
                ? (rows, columns)
                : throw weights.Missing("block_structure");
        }

        return new CompressedTensorsScheme(
            type == "int" ? CodeKind.Integer : CodeKind.Float8, bits, strategy, size, block,
            !weights.Flag("symmetric", true), Input(group, bits, strategy, size, notes))
        {
            StaticInput = group.Section("input_activations") is { } input && IsStatic(input),
        };
    }

    /// <summary>The scales of E2M1 weights; null where weights are something else.</summary>
    public Float4Scales? Float4 { get; init; }

    /// <summary>A group whose weights are E2M1.</summary>
    public static CompressedTensorsScheme ReadFloat4(
        ConfigReader group, Float4Scales scales, int size, List<string> notes)
    {
        ConfigReader weights = group.Section("weights") ?? throw group.Missing("weights");
        Require(weights, "type", weights.Text("type") ?? "float", "float");
        Require(weights, "num_bits", weights.Integer("num_bits") ?? 4, 4);
        Require(weights, "group_size", weights.Integer("group_size") ?? size, size);
        if (group.Section("input_activations") is not null)
        {
            notes.Add("E2M1 activations: activations are not rounded to four bits here; weights are, as stored");
        }

        return new CompressedTensorsScheme(
            CodeKind.Integer, 4, "group", size, null, Asymmetric: false, StoredActivations.Plain)
        { Float4 = scales };
    }

    /// <summary>Activations have one stored scale, and perhaps zero-point, instead of one for each token.</summary>
    public bool StaticInput { get; init; }

    public override string ToString()
    {
        string scales = Strategy switch
        {
            "group" => $"group {GroupSize}",
            "block" => $"block {Block!.Value.Rows}x{Block.Value.Columns}",
            _ => Strategy,
        };
        string activations = Activations switch
        {
            StoredActivations.Plain => "plain activations",
            StoredActivations.Float8 => "E4M3 activations",
            StoredActivations.Int8 or StoredActivations.Int8Asymmetric => "8-bit activations",
        };
        string codes = Float4 is not null ? "E2M1" : Kind == CodeKind.Integer ? "integer" : "E4M3";
        return $"{Bits}-bit {codes} weights by {scales}, "
            + $"{(Asymmetric ? "asymmetric" : "symmetric")}, {activations}";
    }

    private static StoredActivations Input(
        ConfigReader group, int bits, string strategy, int? groupSize, List<string> notes)
    {
        if (group.Section("input_activations") is not { } input)
        {
            return StoredActivations.Plain;
        }

        string type = input.Text("type") ?? "int";
        Require(input, "type", type, "int", "float");
        Require(input, "num_bits", input.Integer("num_bits") ?? 8, 8);
        if (type == "float")
        {
            notes.Add("E4M3 activations: activations are not rounded to eight bits here; weights are, as stored");
            return StoredActivations.Float8;
        }

        string ofInput = input.Text("strategy") ?? "tensor";
        Require(input, "strategy", ofInput, "token", "tensor", "group");
        if (IsStatic(input))
        {
            Require(input, "strategy", ofInput, "tensor");
        }
        else if (strategy is "group" && !(ofInput == "group" && input.Integer("group_size") == groupSize))
        {
            notes.Add($"activations get a scale for each group of {groupSize} inputs, as the weights have, instead "
                + $"of one a {ofInput}");
        }
        else if (ofInput == "group" && strategy is not "group")
        {
            throw new UnsupportedModelException(
                input.File, input.PathOf("strategy"), "group beside weights without groups", "token");
        }

        bool asymmetric = !input.Flag("symmetric", true);
        if (asymmetric && (bits != 8 || strategy is "group" or "block"))
        {
            throw new UnsupportedModelException(
                input.File, input.PathOf("symmetric"), "false beside 4-bit weights or weights in groups", "true");
        }

        return asymmetric ? StoredActivations.Int8Asymmetric : StoredActivations.Int8;
    }

    private static bool IsStatic(ConfigReader input) =>
        (input.Text("type") ?? "int") == "int"
            && input.Find("dynamic") is not { ValueKind: JsonValueKind.True or JsonValueKind.String };

    private static void Refuse(ConfigReader config, string field)
    {
        if (config.Find(field) is { } value)
        {
            throw new UnsupportedModelException(config.File, config.PathOf(field), value.GetRawText(), "null");
        }
    }

    private static void Require<T>(ConfigReader config, string field, T value, params ReadOnlySpan<T> supported)
        where T : IEquatable<T>
    {
        if (!supported.Contains(value))
        {
            throw new UnsupportedModelException(
                config.File, config.PathOf(field), FormattableString.Invariant($"{value}"),
                [.. supported.ToArray().Select(s => FormattableString.Invariant($"{s}"))]);
        }
    }
}
