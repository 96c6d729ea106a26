using System.Diagnostics;
using System.Text;
using Octavo.Testing;
using Octavo.Text.Files;

namespace Octavo.Text.Tests;

/// <summary>Damaged files and hostile texts: a clear error or an answer, and in time.</summary>
public sealed class TokenizerFuzzTests
{
    private static readonly string[] s_kinds =
    [
        "bpe-bytefallback-llama2/tokenizer.json", "bpe-bytelevel/tokenizer.json", "bpe-end-of-word-gpt1/tokenizer.json",
        "unigram-bytefallback/tokenizer.json", "wordpiece-truncate-pad-left/tokenizer.json",
        "wordlevel-whitespace/tokenizer.json", "sp-bpe-llama/tokenizer.model", "sp-unigram-identity/tokenizer.model",
        "tekken-old/tekken.json", "tiktoken-cl100k-style/tokenizer.tiktoken",
    ];

    [Fact]
    public void Load_DamagedFile_IsRefusedOrWorks()
    {
        string made = SharedData.Require("tokenizers/made");
        int rounds = Extent.Of(2000);
        foreach (string kind in s_kinds)
        {
            byte[] file = File.ReadAllBytes(Path.Combine(made, kind));
            Random random = new(19);
            for (int round = 0; round < rounds; round++)
            {
                byte[] damaged = Damage(file, random);
                TokenizerFiles files = new(
                    name => name, name => name == TokenizerFiles.Tokenizer ? damaged : null);
                Tokenizer tokenizer;
                try
                {
                    tokenizer = Tokenizer.Load(files);
                }
                catch (TokenizerFormatException e)
                {
                    e.File.ShouldBe(TokenizerFiles.Tokenizer);
                    e.Field.ShouldNotBeEmpty();
                    continue;
                }

                try
                {
                    int[] ids = tokenizer.Encode("Hello  wörld 12345 \u4e2d\U0001F600\u0301 <s>");
                    _ = tokenizer.Decode(ids);
                }
                catch (Exception e)
                {
                    throw new InvalidOperationException($"{kind}, round {round}: {e.Message}", e);
                }
            }
        }
    }

    [Fact]
    public void Encode_LongRuns_TakesNoQuadraticTime()
    {
        string made = SharedData.Require("tokenizers/made");
        int length = Extent.Of(1_000_000);
        byte[] noise = new byte[length * 3 / 4];
        new Random(5).NextBytes(noise);
        string[] texts =
        [
            new('a', length), new(' ', length), string.Concat(Enumerable.Repeat("\U0001F600", length / 2)),
            Convert.ToBase64String(noise), new('\n', length), new('\u0301', length),
        ];
        foreach (string kind in s_kinds)
        {
            Tokenizer tokenizer = Tokenizer.LoadFile(Path.Combine(made, kind));
            foreach (string text in texts)
            {
                // A hundred times what it takes; where the time is quadratic it is far above.
                Stopwatch time = Stopwatch.StartNew();
                int[] ids = tokenizer.Encode(text);
                time.Elapsed.ShouldBeLessThan(
                    TimeSpan.FromSeconds(10), $"{kind}: {text.Length} of '{text[..2]}', {ids.Length} ids");
            }
        }
    }

    [Fact]
    public void Encode_RandomUnits_GivesIdsThatDecode()
    {
        string made = SharedData.Require("tokenizers/made");
        foreach (string kind in s_kinds)
        {
            Tokenizer tokenizer = Tokenizer.LoadFile(Path.Combine(made, kind));
            Random random = new(7);
            for (int round = 0; round < Extent.Of(10_000); round++)
            {
                char[] units = new char[random.Next(1, 20)];
                foreach (ref char unit in units.AsSpan())
                {
                    unit = (char)(random.Next(3) > 0 ? random.Next(0x20, 0x7F) : random.Next(0x10000));
                }

                string text = new(units);
                int[] ids = tokenizer.Encode(text, new EncodeOptions { SplitSpecialTokens = true });
                Array.TrueForAll(ids, id => (uint)id < (uint)tokenizer.VocabSize).ShouldBeTrue(kind);
                string decoded = tokenizer.Decode(ids, skipSpecialTokens: false);
                if (kind is "bpe-bytelevel/tokenizer.json" or "tiktoken-cl100k-style/tokenizer.tiktoken")
                {
                    // Nothing is lost but lone surrogates.
                    string wellFormed = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
                    decoded.ShouldBe(wellFormed, kind);
                }
            }
        }
    }

    [Fact]
    public void Append_AnyIdsAfterAnyPrompt_AddUpToDecode()
    {
        string made = SharedData.Require("tokenizers/made");
        Random random = new(3);
        foreach (string kind in s_kinds)
        {
            Tokenizer tokenizer = Tokenizer.LoadFile(Path.Combine(made, kind));
            for (int round = 0; round < Extent.Of(1000); round++)
            {
                int[] ids = [.. Enumerable.Range(0, random.Next(12)).Select(_ => random.Next(tokenizer.VocabSize))];
                bool skip = random.Next(2) == 0;
                string whole = tokenizer.Decode(ids, skip);
                IncrementalDetokenizer pieces = tokenizer.CreateDetokenizer([], skip);
                (string.Concat(ids.Select(pieces.Append)) + pieces.Flush()).ShouldBe(whole, kind);

                // After a prompt: what the ids add to its text, where that is not changed by them.
                int cut = random.Next(ids.Length + 1);
                string prompt = tokenizer.Decode(ids.AsSpan(0, cut), skip);
                IncrementalDetokenizer rest = tokenizer.CreateDetokenizer(ids.AsSpan(0, cut), skip);
                string added = string.Concat(ids[cut..].Select(rest.Append)) + rest.Flush();
                if (whole.StartsWith(prompt, StringComparison.Ordinal) && !prompt.EndsWith('\uFFFD'))
                {
                    added.ShouldBe(whole[prompt.Length..], $"{kind}: {string.Join(' ', ids)} cut at {cut}");
                }
            }
        }
    }

    private static byte[] Damage(byte[] file, Random random)
    {
        byte[] damaged = [.. file];
        for (int left = random.Next(1, 4); left > 0; left--)
        {
            int at = random.Next(damaged.Length);
            int length = Math.Min(random.Next(1, 9), damaged.Length - at);
            switch (random.Next(5))
            {
                case 0:
                    damaged[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    damaged = damaged[..at];
                    break;
                case 2:
                    damaged = [.. damaged[..at], .. damaged[(at + length)..]];
                    break;
                case 3:
                    damaged = [.. damaged[..at], .. damaged[at..(at + length)], .. damaged[at..]];
                    break;
                default:
                    // Where files have structure, most is in the first and the last bytes.
                    at = random.Next(2) == 0 ? Math.Min(at, random.Next(400)) : at;
                    damaged[at] = (byte)random.Next(256);
                    break;
            }

            if (damaged.Length == 0)
            {
                break;
            }
        }

        return damaged;
    }
}
