using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Octavo.Cpu.Panels;
using Octavo.Formats;
using Octavo.Formats.Stored;
using Octavo.Models;
using Octavo.Quantization.Calibration;
using Octavo.Quantization.Evaluation;
using Octavo.Quantization.Methods;
using Octavo.Quantization.Workbench;
using Octavo.Testing;
using Octavo.Text;

namespace Octavo.Quantization.Tests;

public sealed class QuantizerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("octavo-quantize-").FullName;

    // Where each layer takes its time, two are enough.
    private readonly Lazy<TalesVariant> _twoLayers = new(() => new TalesVariant().WithLayers(2));

    private ModelSource TwoLayers => ModelSource.Open(_twoLayers.Value.Path);

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
        if (_twoLayers.IsValueCreated)
        {
            _twoLayers.Value.Dispose();
        }
    }

    [Theory]
    [InlineData("int8", 0, false)]
    [InlineData("int8-channel", 0, true)]
    [InlineData("int8-weight", 64, true)]
    [InlineData("int4", 32, false)]
    [InlineData("int4-weight", 128, true)]
    [InlineData("fp8", 0, false)]
    public async Task Run_EachScheme_ReadsBackToTheSameBitsHereAndInPython(string scheme, int group, bool asymmetric)
    {
        string output = Path.Combine(_folder, "out");
        WeightScheme named = Schemes.Named(scheme) with { Asymmetric = asymmetric };
        var recipe = new QuantizationRecipe { Scheme = group == 0 ? named : named with { GroupSize = group } };
        ModelQuantizer.Run(TwoLayers, output, recipe, null);

        Dictionary<string, string> here = [];
        ModelSource written = ModelSource.Open(output);
        using Checkpoint checkpoint = written.OpenCheckpoint();
        using Checkpoint original = TwoLayers.OpenCheckpoint();
        recipe = recipe.For(ModelCatalog.Describe(written, checkpoint).Spec, out _);
        foreach (MatrixSpec matrix in ModelCatalog.Describe(written, checkpoint).Spec.Layers[1].Linears
            .SelectMany(linear => linear.Matrices))
        {
            QuantizedMatrix stored = checkpoint.FindQuantized(matrix.Names.Weight)!;
            CodedMatrix made =
                RoundToNearest.Quantize(FloatMatrix.Load(original, matrix), recipe.Scheme, recipe.Observer);
            ShouldBeTheSame(stored, made);
            here.Add(stored.Module, Hash(stored));
        }

        if (await ReadInPythonAsync(output, "1") is { } python)
        {
            JsonElement modules = python.GetProperty("modules");
            modules.EnumerateObject().Select(m => m.Name).ShouldBe(here.Keys, ignoreOrder: true);
            modules.EnumerateObject().ShouldAllBe(m => m.Value.GetProperty("sha256").GetString() == here[m.Name]);
        }
    }

    [Fact]
    public async Task Run_SchemesThatDiffer_AreWrittenAndReadAsMixedPrecision()
    {
        string output = Path.Combine(_folder, "out");
        var recipe = new QuantizationRecipe
        {
            Scheme = Schemes.Named("int4-weight"),
            Head = Schemes.Named("int8-weight"),
            Exceptions = new Dictionary<(int, LinearRole), WeightScheme?>
            {
                [(1, LinearRole.Down)] = Schemes.Named("int8"),
                [(0, LinearRole.QueryKeyValue)] = null,
            },
        };

        ModelQuantizer.Run(TwoLayers, output, recipe, null);

        ModelSource written = ModelSource.Open(output);
        written.Config.Json.GetProperty("tie_word_embeddings").GetBoolean().ShouldBeFalse();
        using Checkpoint checkpoint = written.OpenCheckpoint();
        ModelCatalog.Describe(written, checkpoint);
        checkpoint.FindQuantized("model.layers.1.mlp.down_proj.weight")!.Bits.ShouldBe(8);
        checkpoint.FindQuantized("model.layers.1.mlp.up_proj.weight")!.Bits.ShouldBe(4);
        checkpoint.FindQuantized("model.layers.0.self_attn.q_proj.weight").ShouldBeNull();
        checkpoint.FindQuantized("lm_head.weight")!.Rows.ShouldBe(4096);
        using EvaluatedModel model = Bench.Load(output);
        using EvaluatedModel reference = Bench.Load(TwoLayers.Path);
        Evaluator.Run(model, reference, Bench.Windows("valid.txt", 3)).Comparison!.Increase.Value.ShouldBeInRange(
            0, 0.02);
        if (await ReadInPythonAsync(output, "0", "1") is { } python)
        {
            python.GetProperty("format").GetString().ShouldBe("mixed-precision");
            python.GetProperty("modules").GetProperty("model.layers.1.mlp.down_proj").GetProperty("format").GetString()
                .ShouldBe("int-quantized");
            python.GetProperty("modules").TryGetProperty("model.layers.0.self_attn.q_proj", out _).ShouldBeFalse();
        }
    }

    /// <summary>Projections that share an input may have schemes that no kernel reads together.</summary>
    [Fact]
    public void Load_StackedProjectionsOfSeveralSchemes_RunAndSaySo()
    {
        string output = Path.Combine(_folder, "out");
        ModelQuantizer.Run(
            ModelSource.Open(Repository.TalesModel), output,
            new QuantizationRecipe { Scheme = Schemes.Named("int8-weight") }, null);
        string config = Path.Combine(output, "config.json");
        File.WriteAllText(config, File.ReadAllText(config)
            .Replace("\"lm_head\"", "\"lm_head\", \"re:.*layers\\\\.0\\\\.self_attn\\\\.v_proj$\""));
        string shard = Path.Combine(output, "model-00001-of-00006.safetensors");
        ReplaceByNumbers(shard, "model.layers.0.self_attn.v_proj");
        File.Delete(Path.Combine(output, "model.safetensors.index.json"));

        using EvaluatedModel model = Bench.Load(output);

        model.Runner.Plan.Notes
            .ShouldHaveSingleItem().ShouldContain("model.layers.0.self_attn.v_proj share an input but not a scheme");
        Evaluator.Run(model, null, Bench.Windows("valid.txt", 3)).Perplexity.Value.ShouldBeInRange(10, 60);
    }

    /// <summary>Of what rounding to nearest costs, by the same texts.</summary>
    [Fact]
    public void Run_CalibratedMethods_CostLessThanRounding()
    {
        using EvaluatedModel reference = Bench.Load(TwoLayers.Path);
        double rounding = Kl(QuantizationMethod.Rtn);

        rounding.ShouldBeInRange(0.006, 0.012);
        Kl(QuantizationMethod.Gptq).ShouldBeLessThan(0.6 * rounding);
        Kl(QuantizationMethod.Awq).ShouldBeLessThan(0.9 * rounding);

        double Kl(QuantizationMethod method)
        {
            string output = Path.Combine(_folder, method.ToString());
            var recipe = new QuantizationRecipe { Scheme = Schemes.Named("int4-weight"), Method = method };
            ModelQuantizer.Run(TwoLayers, output, recipe, Calibration(8));
            using EvaluatedModel model = Bench.Load(output);
            return Evaluator.Run(model, reference, Bench.Windows("valid.txt", 3)).Comparison!.MeanKl.Value;
        }
    }

    /// <summary>Strong activations become weaker and the function stays.</summary>
    [Fact]
    public void SmoothQuant_BeforeRounding_LeavesTheModelAsItIs()
    {
        string output = Path.Combine(_folder, "out");
        var recipe = new QuantizationRecipe
        {
            Scheme =
            Schemes.Named("int8-weight") with { GroupSize = 32 },
            Method = QuantizationMethod.SmoothQuant
        };
        ModelQuantizer.Run(TwoLayers, output, recipe, Calibration(8));
        using EvaluatedModel model = Bench.Load(output);
        using EvaluatedModel reference = Bench.Load(TwoLayers.Path);

        Evaluator.Run(model, reference, Bench.Windows("valid.txt", 3)).Comparison!.MeanKl.Value.ShouldBeLessThan(5e-5);
        using Checkpoint smoothed = ModelSource.Open(output).OpenCheckpoint();
        using Checkpoint original = TwoLayers.OpenCheckpoint();
        const string Norm = "model.layers.0.input_layernorm.weight";
        smoothed.Get(Norm).Bytes(0, 512).SequenceEqual(original.Get(Norm).Bytes(0, 512)).ShouldBeFalse();
    }

    /// <summary>
    /// Biases, LayerNorm, learned positions, ReLU; float32 and grouped heads; whatever is folded leaves the function.
    /// </summary>
    [Theory]
    [InlineData("opt", QuantizationMethod.SmoothQuant)]
    [InlineData("opt", QuantizationMethod.Gptq)]
    [InlineData("opt", QuantizationMethod.Awq)]
    [InlineData("llama", QuantizationMethod.SmoothQuant)]
    [InlineData("llama", QuantizationMethod.Awq)]
    [InlineData("llama-attention-bias", QuantizationMethod.Awq)]
    [InlineData("llama-mlp-bias", QuantizationMethod.Awq)]
    [InlineData("golden-hf/gemma3", QuantizationMethod.SmoothQuant)]
    [InlineData("golden-hf/gemma3", QuantizationMethod.Awq)]
    [InlineData("golden-hf/qwen3", QuantizationMethod.SmoothQuant)]
    [InlineData("golden-hf/qwen3", QuantizationMethod.Awq)]
    [InlineData("golden-hf/cohere2", QuantizationMethod.SmoothQuant)]
    [InlineData("golden-hf/cohere2", QuantizationMethod.Awq)]
    [InlineData("golden-hf/olmo2", QuantizationMethod.SmoothQuant)]
    [InlineData("golden-hf/olmo2", QuantizationMethod.Awq)]
    [InlineData("golden-hf/granite_swa", QuantizationMethod.SmoothQuant)]
    [InlineData("golden-hf/granite_swa", QuantizationMethod.Awq)]
    [InlineData("golden-hf/apertus", QuantizationMethod.SmoothQuant)]
    [InlineData("golden-hf/apertus", QuantizationMethod.Awq)]
    [InlineData("golden-hf/gemma3", QuantizationMethod.Gptq)]
    [InlineData("golden-hf/qwen3", QuantizationMethod.Gptq)]
    [InlineData("phi3", QuantizationMethod.SmoothQuant)]
    [InlineData("phi3", QuantizationMethod.Awq)]
    [InlineData("phi3", QuantizationMethod.Gptq)]
    [InlineData("gpt_neox", QuantizationMethod.Awq)]
    [InlineData("falcon", QuantizationMethod.SmoothQuant)]
    [InlineData("golden-hf/codegen", QuantizationMethod.Gptq)]
    public void Run_OtherFamilies_StayWhatTheyAre(string golden, QuantizationMethod method)
    {
        string directory = Golden.Require(golden).Directory;
        var random = new Random(1);
        int[] ids = [.. Enumerable.Range(0, 512).Select(_ => random.Next(4, 250))];
        using EvaluatedModel reference = Bench.Load(directory, length: 64);

        double rounded = Cost(QuantizationMethod.Rtn), calibrated = Cost(method);

        // What a wrong fold does is hundreds of times what eight bits do.
        rounded.ShouldBeInRange(1e-6, 5e-3);
        calibrated.ShouldBeLessThan(1.6 * rounded);

        double Cost(QuantizationMethod by)
        {
            string output = Path.Combine(_folder, by.ToString());
            var recipe = new QuantizationRecipe
            {
                Scheme = Schemes.Named("int8-weight") with { GroupSize = 16 },
                Method = by,
                SmoothingStrength = 0.7,
            };
            ModelQuantizer.Run(ModelSource.Open(directory), output, recipe, CalibrationSet.Make([ids], 16, 32));
            using EvaluatedModel model = Bench.Load(output, length: 64);
            return Evaluator.Run(model, reference, TextWindow.Cut([ids], 64, 63)).Comparison!.MeanKl.Value;
        }
    }

    /// <summary>
    /// Queries, keys and values in one tensor are one module, as transformers has it, in whatever order of heads.
    /// </summary>
    [Theory]
    [InlineData("phi3", "model.layers.0.self_attn.qkv_proj")]
    [InlineData("gpt_neox", "gpt_neox.layers.0.attention.query_key_value")]
    public void Run_MatricesThatShareATensor_AreWrittenAsOne(string golden, string module)
    {
        string directory = Golden.Require(golden).Directory, output = Path.Combine(_folder, golden);
        WeightScheme scheme = Schemes.Named("int4-weight") with { GroupSize = 16 };
        var recipe = new QuantizationRecipe { Scheme = scheme, Method = QuantizationMethod.Rtn };

        ModelQuantizer.Run(ModelSource.Open(directory), output, recipe, calibration: null);

        ModelSource written = ModelSource.Open(output);
        using Checkpoint checkpoint = written.OpenCheckpoint(), original = ModelSource.Open(directory).OpenCheckpoint();
        DecoderSpec spec = ModelCatalog.Describe(written, checkpoint).Spec;
        var stored = spec.Layers[0].Linears.SelectMany(linear => linear.Stored).ToList();
        stored.ShouldContain(matrix => matrix.Names.Module == module);
        foreach (MatrixSpec matrix in stored)
        {
            ShouldBeTheSame(
                checkpoint.FindQuantized(matrix.Names.Weight)!,
                RoundToNearest.Quantize(FloatMatrix.Load(original, matrix), scheme, recipe.Observer));
        }
    }

    [Fact]
    public void Run_TransposedMatrices_AreRefusedBeforeThereIsADirectory()
    {
        const string Model = "gpt2", Weight = "c_attn.weight";
        string directory = Golden.Require(Model).Directory, output = Path.Combine(_folder, Model);
        var recipe = new QuantizationRecipe { Scheme = Schemes.Named("int8"), Method = QuantizationMethod.Rtn };

        Should.Throw<QuantizationException>(
            () => ModelQuantizer.Run(ModelSource.Open(directory), output, recipe, calibration: null))
            .Message.ShouldContain(Weight);

        Directory.GetDirectories(_folder).ShouldBeEmpty();
    }

    [Fact]
    public void Run_StoppedHalfway_LeavesNothingAndGoesOnToTheSameBytes()
    {
        using TalesVariant threeLayers = new TalesVariant().WithLayers(3);
        ModelSource tales = ModelSource.Open(threeLayers.Path);
        string whole = Path.Combine(_folder, "whole"), stopped = Path.Combine(_folder, "stopped");
        var recipe = new QuantizationRecipe { Scheme = Schemes.Named("int4"), Method = QuantizationMethod.Gptq };
        CalibrationSet calibration = Calibration(2, 128);
        ModelQuantizer.Run(tales, whole, recipe, calibration);
        using var stop = new CancellationTokenSource();
        var meter = new Meter(p =>
        {
            if (p.Doing.StartsWith("layer 3", StringComparison.Ordinal))
            {
                stop.Cancel();
            }
        });

        Should.Throw<OperationCanceledException>(
            () => ModelQuantizer.Run(tales, stopped, recipe, calibration, meter, stop.Token));
        Directory.Exists(stopped).ShouldBeFalse();
        Directory.GetFiles(stopped + ".partial", "model-*").Length.ShouldBe(2);
        DateTime first =
            File.GetLastWriteTimeUtc(Path.Combine(stopped + ".partial", "model-00001-of-00004.safetensors"));
        ModelQuantizer.Run(tales, stopped, recipe, calibration);

        File.GetLastWriteTimeUtc(Path.Combine(stopped, "model-00001-of-00004.safetensors")).ShouldBe(first);
        Directory.Exists(stopped + ".partial").ShouldBeFalse();
        string[] names = [.. Directory.GetFiles(whole).Select(f => Path.GetFileName(f))];
        Directory.GetFiles(stopped).Select(f => Path.GetFileName(f)).ShouldBe(names, ignoreOrder: true);
        foreach (string name in names)
        {
            File.ReadAllBytes(Path.Combine(stopped, name)).AsSpan()
                .SequenceEqual(File.ReadAllBytes(Path.Combine(whole, name))).ShouldBeTrue(name);
        }
    }

    /// <summary>
    /// What is refused, whenever it turns out, leaves nothing behind; what stands beside a model comes along.
    /// </summary>
    [Fact]
    public void Run_Refused_LeavesNoDirectory()
    {
        ModelSource tales = ModelSource.Open(Repository.TalesModel);
        string output = Path.Combine(_folder, "out");
        foreach (QuantizationMethod method in (QuantizationMethod[])[QuantizationMethod.Rtn, QuantizationMethod.Gptq])
        {
            var recipe =
                new QuantizationRecipe { Scheme = Schemes.Named("int4") with { GroupSize = 100 }, Method = method };
            Refusal(() => ModelQuantizer.Run(tales, output, recipe, Calibration(2))).ShouldContain(
                "those that work are 16, 32, 64, 128, 256");
            Directory.GetFileSystemEntries(_folder).ShouldBeEmpty();
        }

        string file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "mine");
        Refusal(() => ModelQuantizer.Run(
            tales, Path.Combine(file, "out"), new QuantizationRecipe { Scheme = Schemes.Named("int8") }, null))
            .ShouldContain("is a file");
        File.ReadAllText(file).ShouldBe("mine");
    }

    [Fact]
    public void Run_ModelWithMoreTemplates_CopiesThem()
    {
        string output = Path.Combine(_folder, "out");
        using TalesVariant model =
            new TalesVariant().WithText("additional_chat_templates/tool_use.jinja", "{{ messages[0].content }}");

        ModelQuantizer.Run(
            ModelSource.Open(model.Path), output, new QuantizationRecipe { Scheme = Schemes.Named("int8") }, null);

        File.ReadAllText(Path.Combine(output, "additional_chat_templates", "tool_use.jinja"))
            .ShouldBe("{{ messages[0].content }}");
    }

    [Fact]
    public void Run_OutputThere_IsRefusedAndLeftAlone()
    {
        string output = Directory.CreateDirectory(Path.Combine(_folder, "out")).FullName;
        File.WriteAllText(Path.Combine(output, "mine.txt"), "mine");

        Refusal(() => ModelQuantizer.Run(
            ModelSource.Open(Repository.TalesModel), output,
            new QuantizationRecipe { Scheme = Schemes.Named("int8") }, null))
            .ShouldContain("is there already");
        Directory.GetFiles(output).Length.ShouldBe(1);

        Directory.CreateDirectory(Path.Combine(_folder, "other.partial"));
        Refusal(() => ModelQuantizer.Run(
            ModelSource.Open(Repository.TalesModel), Path.Combine(_folder, "other"),
            new QuantizationRecipe { Scheme = Schemes.Named("int8") }, null))
            .ShouldContain("other.partial is in the way");
    }

    [Fact]
    public void Run_QuantizedAlready_IsRefused()
    {
        string output = Path.Combine(_folder, "out");
        var recipe = new QuantizationRecipe { Scheme = Schemes.Named("int8") };
        ModelQuantizer.Run(ModelSource.Open(Repository.TalesModel), output, recipe, null);

        Refusal(() => ModelQuantizer.Run(ModelSource.Open(output), output + "2", recipe, null)).ShouldContain(
            "is quantized already (compressed-tensors: 8-bit integer weights by group 128");
        Directory.GetFileSystemEntries(_folder).Length.ShouldBe(1);
    }

    [Fact]
    public void Run_DiskFull_SaysSoAndGoesOnWhenThereIsRoom()
    {
        string disk = Directory.CreateDirectory(Path.Combine(_folder, "disk")).FullName;
        Assert.SkipUnless(
            Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk), "needs the right to mount a small tmpfs");
        try
        {
            string output = Path.Combine(disk, "out");
            var recipe = new QuantizationRecipe { Scheme = Schemes.Named("int8") };

            Refusal(() => ModelQuantizer.Run(
                ModelSource.Open(Repository.TalesModel), output, recipe, null)).ShouldContain("cannot be written");
            Directory.Exists(output).ShouldBeFalse();
            Directory.GetFiles(output + ".partial", "*.tmp").ShouldBeEmpty();

            Command("mount", "-o", "remount,size=64m", disk).ShouldBeTrue();
            ModelQuantizer.Run(ModelSource.Open(Repository.TalesModel), output, recipe, null);
            File.Exists(Path.Combine(output, "model.safetensors.index.json")).ShouldBeTrue();
        }
        finally
        {
            Command("umount", disk).ShouldBeTrue();
        }
    }

    [Fact]
    public void Texts_EmptyShortOrBroken_AreRefusedByName()
    {
        string Write(string name, string text)
        {
            string path = Path.Combine(_folder, name);
            File.WriteAllText(path, text);
            return path;
        }

        Refusal(() => TextCorpus.Read(Write("empty.txt", "\n<|endoftext|>\n"))).ShouldContain("there is no text in it");
        Refusal(() => TextCorpus.Read(Path.Combine(_folder, "none.txt"))).ShouldContain("cannot be read");
        Refusal(() => TextCorpus.Read(Write("a.jsonl", "{\"text\":\"a\"}\n{\"texts\":\"b\"}\n"))).ShouldContain(
            "line 2 has no string");
        Refusal(() => TextCorpus.Read(Write("b.jsonl", "{\"text\":\"a\"\n"))).ShouldContain("line 1 is not JSON");
        Refusal(() => CalibrationSet.Make([[1, 2, 3]], 4, 8)).ShouldContain("has 3 tokens, fewer than one sample of 8");
        Refusal(() => QuantizationRecipe.SchemeNamed("int3")).ShouldContain(
            "\"int3\" is not one that a checkpoint can be written in; there are int8, int8-channel");
        TextCorpus.Read(Write("c.jsonl", "{\"text\":\"a\"}\n\n{\"text\":\"b\"}\n")).ShouldBe(["a", "b"]);
        TextCorpus.Read(Write("c.txt", "a\nb\n<|endoftext|>\nc\n")).ShouldBe(["a\nb", "c"]);
    }

    [Fact]
    public void InverseFactor_OfMoments_IsTheFactorOfTheirInverse()
    {
        const int N = 17;
        var random = new Random(5);
        double[] root = [.. Enumerable.Range(0, N * N).Select(_ => random.NextDouble() - 0.5)];
        double[] a = new double[N * N];
        for (int i = 0; i < N; i++)
        {
            for (int j = 0; j < N; j++)
            {
                a[(i * N) + j] =
                    Enumerable.Range(0, N).Sum(k => root[(i * N) + k] * root[(j * N) + k]) + (i == j ? 0.1 : 0);
            }
        }

        double[] lower = [.. a];
        Cholesky.Factor(lower, N).ShouldBeTrue();
        double[] inverse = [.. lower];
        Cholesky.InvertLower(inverse, N);

        for (int i = 0; i < N; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                Enumerable.Range(0, j + 1)
                    .Sum(k => lower[(i * N) + k] * lower[(j * N) + k])
                    .ShouldBe(a[(i * N) + j], 1e-12);
                Enumerable.Range(j, i - j + 1)
                    .Sum(k => lower[(i * N) + k] * inverse[(k * N) + j])
                    .ShouldBe(i == j ? 1 : 0, 1e-10);
            }
        }
    }

    [Theory]
    [InlineData(ObserverKind.Percentile)]
    [InlineData(ObserverKind.Mse)]
    public void Choose_WithAnOutlier_TakesASmallerRangeThanMinMax(ObserverKind kind)
    {
        float[] weights = [.. Enumerable.Range(0, 127).Select(i => MathF.Sin(i)), 4f];
        WeightScheme scheme = Schemes.Named("int4-weight");

        float all = new Observer(ObserverKind.MinMax).Choose(weights, scheme, TensorType.Float32).Scale;
        float fewer = new Observer(kind, 0.99).Choose(weights, scheme, TensorType.Float32).Scale;

        all.ShouldBe(4f / 7.5f);
        fewer.ShouldBeLessThan(0.9f * all);
    }

    internal static CalibrationSet Calibration(int samples, int length = 512)
    {
        IReadOnlyList<string> documents = TextCorpus.Read(Bench.Stories("calib.txt"));
        return CalibrationSet.Make(
            TextCorpus.Tokenize(documents, Tokenizer.Load(Repository.TalesModel), 0), samples, length);
    }

    private static string Refusal(Action action) => Should.Throw<QuantizationException>(action).Message;

    private static void ShouldBeTheSame(QuantizedMatrix stored, CodedMatrix made)
    {
        sbyte[] codes = new sbyte[stored.Columns];
        float[] scales = new float[stored.Groups];
        int[] zeros = new int[stored.Groups];
        for (int row = 0; row < stored.Rows; row++)
        {
            stored.ReadCodes(row, codes);
            stored.ReadScales(row, scales);
            stored.ReadZeros(row, zeros);
            codes.AsSpan().SequenceEqual(made.Codes.AsSpan(row * stored.Columns, stored.Columns)).ShouldBeTrue();
            scales.AsSpan().SequenceEqual(made.Scales.AsSpan(row * stored.Groups, stored.Groups)).ShouldBeTrue();
            zeros.AsSpan().SequenceEqual(made.Zeros.AsSpan(row * stored.Groups, stored.Groups)).ShouldBeTrue();
        }
    }

    private static string Hash(QuantizedMatrix stored)
    {
        var source = new QuantizedSource(stored, null);
        float[] weights = new float[stored.Rows * stored.Columns];
        for (int row = 0; row < stored.Rows; row++)
        {
            source.ReadRow(row, weights.AsSpan(row * stored.Columns, stored.Columns));
        }

        return Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(weights.AsSpan())));
    }

    /// <summary>What the independent reader finds; null where there is no Python.</summary>
    private static async Task<JsonElement?> ReadInPythonAsync(string directory, params string[] layers)
    {
        string script =
            Path.Combine(Repository.Root!, "tests", "Octavo.Quantization.Tests", "read_compressed_tensors.py");
        var start = new ProcessStartInfo("python3", [script, directory, .. layers])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Process python;
        try
        {
            python = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }

        using (python)
        {
            Task<string> error = python.StandardError.ReadToEndAsync();
            string output = await python.StandardOutput.ReadToEndAsync();
            await python.WaitForExitAsync();
            python.ExitCode.ShouldBe(0, await error);
            return JsonDocument.Parse(output).RootElement;
        }
    }

    /// <summary>Writes a module's own numbers into a shard in place of its codes.</summary>
    private static void ReplaceByNumbers(string shard, string module)
    {
        string changed = shard + ".changed";
        using (Checkpoint checkpoint = Checkpoint.Open(shard))
        using (Checkpoint original = ModelSource.Open(Repository.TalesModel).OpenCheckpoint())
        {
            IEnumerable<Tensor> tensors =
            [
                .. checkpoint.Tensors.Values.Where(t => !t.Name.StartsWith(module, StringComparison.Ordinal)),
                original.Get(module + ".weight")
            ];
            SafetensorsWriter.Write(changed, tensors.Select(
                t => new TensorSource(t.Name, t.Type, [.. t.Shape], t.Bytes(0, (int)t.ByteLength).ToArray())));
        }

        File.Move(changed, shard, overwrite: true);
    }

    private static bool Command(string name, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(
                new ProcessStartInfo(name, arguments) { UseShellExecute = false, RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private sealed class Meter(Action<BenchProgress> hear) : IProgress<BenchProgress>
    {
        public void Report(BenchProgress value) => hear(value);
    }
}
