using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Octavo.Testing;
using Octavo.Text.Templates;

namespace Octavo.Text.Tests;

/// <summary>Templates that are damaged or hostile, and conversations that nobody thought of.</summary>
public sealed class TemplateFuzzTests
{
    private static readonly TimeProvider s_time = new RecordedTime();

    public static TheoryData<string> SlowExpressions =>
    [
        .. new[]
        {
            "a.rsplit('a')", "a[5]", "(a[1:] ~ 'b') in a", "a | striptags", "a | wordwrap(5)", "a == b", "a < b",
            "a.title()", "a | map('upper') | list", "{a: 1}[b]", "a | sort", "a.strip('a')", "a.replace('a', 'aa')",
            "a.count(a[9:] ~ 'b')", "a | urlize", "a | groupby(0)", "a.swapcase()", "a[::-1]", "a | tojson",
            "a.split()",
        }.Take(Extent.Of(20)),
    ];

    [Theory]
    [MemberData(nameof(SlowExpressions))]
    public void Render_ExpressionMadeToTakeLong_StopsAtALimit(string expression)
    {
        foreach (string text in new[] { "'a' * 4000000", "'<!--' * 20000" })
        {
            string loop = "{% for i in range(100000) %}{% for j in range(100000) %}{% if (" + expression
                + ") is none %}x{% endif %}{% endfor %}{% endfor %}";
            var template = ChatTemplate.Parse(
                "{% set a = " + text + " %}{% set b = " + text + " %}" + loop, "slow");
            ChatTemplateException error = Should.Throw<ChatTemplateException>(
                () => template.RenderWith(new Dictionary<string, object?>(), s_time));

            // What is counted before it is done, whatever the machine's speed.
            error.Message.ShouldMatch(
                $"takes more than {Renderer.MaxSteps} steps|makes more text than it may .*, {Renderer.MaxText} in all",
                expression);
            error.Line.ShouldBe(1);
            error.Column.ShouldBeGreaterThan(text.Length);
        }
    }

    [Fact]
    public void Render_LongConversation_MayTakeMoreSteps()
    {
        var template = ChatTemplate.Parse("{% for m in messages %}{{ m.content | trim | upper }}{% endfor %}", "long");
        ChatMessage[] messages = [.. Enumerable.Repeat(new ChatMessage("user", new string('a', 40_000)), 100)];
        template.Render(messages, addGenerationPrompt: false).Text.Length.ShouldBe(4_000_000);
        TemplateInput none = new() { Messages = [new Dictionary<string, object?>()] };
        var own = ChatTemplate.Parse("{% for i in range(9) %}{% set x = 'a' * 2000000 %}{% endfor %}", "own");
        Should.Throw<ChatTemplateException>(() => own.Render(none)).Message.ShouldContain("more text than it may");
    }

    [Fact]
    public void Render_DamagedTemplate_IsRefusedOrWorks()
    {
        using JsonDocument records = JsonDocument.Parse(
            File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Vectors", "jinja.json")));
        JsonElement[] snippets = [.. records.RootElement.EnumerateArray()];
        Random random = new(23);
        int rounds = Extent.Of(20_000);
        for (int round = 0; round < rounds; round++)
        {
            JsonElement snippet = snippets[random.Next(snippets.Length)];
            string source = Damage(
                snippet.GetProperty("template").GetString()!,
                snippets[random.Next(snippets.Length)].GetProperty("template").GetString()!,
                random);
            try
            {
                ChatTemplate.Parse(source, "damaged").RenderWith(
                    snippet.GetProperty("vars").EnumerateObject().ToDictionary(
                        p => p.Name, p => TemplateJson.Read(p.Value)),
                    s_time);
            }
            catch (ChatTemplateException e)
            {
                e.Message.ShouldStartWith("damaged");
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"round {round}: {source}", e);
            }
        }
    }

    [Fact]
    public async Task Render_GeneratedConversations_GivesWhatJinjaGives()
    {
        string[] files = Directory.GetFiles(SharedData.Require("third-party/templates"), "*.jinja");
        Array.Sort(files, StringComparer.Ordinal);
        Dictionary<string, ChatTemplate> templates =
            files.ToDictionary(f => f, f => ChatTemplate.Parse(File.ReadAllText(f), f));
        Random random = new(29);
        List<(string File, string Variables)> questions =
            [.. Enumerable.Range(0, Extent.Of(3000)).Select(i => (files[i % files.Length], Conversation(random)))];
        List<JsonNode> answers = await AskJinjaAsync(questions);
        List<string> failures = [];
        int rendered = 0;
        foreach (((string file, string variables), JsonNode answer) in questions.Zip(answers))
        {
            string? expected = answer["rendered"]?.GetValue<string>();
            string? text = null, error = null;
            try
            {
                using JsonDocument json = JsonDocument.Parse(variables);
                text = templates[file].RenderWith(
                    json.RootElement.EnumerateObject().ToDictionary(p => p.Name, p => TemplateJson.Read(p.Value)),
                    s_time);
            }
            catch (ChatTemplateException e)
            {
                error = e.Message;
            }

            rendered += text is null ? 0 : 1;
            if (text != expected)
            {
                failures.Add($"{Path.GetFileName(file)} of {variables}\n  {answer.ToJsonString()}\n  "
                    + (text is null ? error : JsonSerializer.Serialize(text)));
            }
        }

        failures.Count.ShouldBe(0, string.Join('\n', failures.Take(5)));
        rendered.ShouldBeGreaterThan(questions.Count / 3);
    }

    private static string Damage(string source, string other, Random random)
    {
        for (int left = random.Next(1, 4); left > 0 && source.Length > 0; left--)
        {
            int at = random.Next(source.Length);
            int length = Math.Min(random.Next(1, 9), source.Length - at);
            int from = random.Next(other.Length);
            string piece = other.Substring(from, Math.Min(random.Next(1, 12), other.Length - from));
            source = random.Next(4) switch
            {
                0 => source.Remove(at, length),
                1 => source.Insert(at, source.Substring(at, length)),
                2 => source.Insert(at, piece),
                _ => source[..at] + (char)random.Next(32, 127) + source[(at + 1)..],
            };
        }

        return source;
    }

    private static string Conversation(Random random)
    {
        string[] texts =
        [
            "Hi", "", " ", "  a\n b \n", "é漢字😀", "<think>\nhm\n</think>\n\nYes", "no</think>", "{{ x }} {% y %}",
            "\"q\" 'r' \\ <b>&", "<|im_end|>", "1.0", "a\u2028b", "0", "</tool_call>", "\n\n",
        ];
        string Text() => texts[random.Next(texts.Length)];
        bool Chance(int of) => random.Next(of) == 0;
        JsonNode Value() => random.Next(6) switch
        {
            0 => JsonValue.Create(random.Next(-9, 99)),
            1 => JsonValue.Create(random.Next(100) / 8.0),
            2 => JsonValue.Create(Chance(2)),
            3 => new JsonArray(Text(), 1),
            4 => new JsonObject { ["k"] = Text() },
            _ => JsonValue.Create(Text()),
        };
        JsonObject Call() => new()
        {
            ["id"] = "call" + random.Next(100_000_000, 999_999_999),
            ["type"] = "function",
            ["function"] = new JsonObject
            {
                ["name"] = "f" + random.Next(3),
                ["arguments"] = new JsonObject { ["x"] = Value(), ["y"] = Value() },
            },
        };
        JsonArray messages = [];
        if (Chance(2))
        {
            messages.Add(new JsonObject { ["role"] = "system", ["content"] = Text() });
        }

        for (int turns = random.Next(1, 4); turns > 0; turns--)
        {
            messages.Add(new JsonObject { ["role"] = "user", ["content"] = Text() });
            JsonObject answer = new() { ["role"] = "assistant", ["content"] = Text() };
            if (Chance(3))
            {
                answer["reasoning_content"] = Text();
            }

            if (Chance(3))
            {
                JsonObject call = Call();
                answer["tool_calls"] = new JsonArray(call);
                messages.Add(answer);
                messages.Add(new JsonObject
                {
                    ["role"] = "tool",
                    ["content"] = Text(),
                    ["tool_call_id"] = call["id"]!.GetValue<string>(),
                });
                continue;
            }

            if (turns > 1 || Chance(3))
            {
                messages.Add(answer);
            }
        }

        JsonObject variables = new()
        {
            ["messages"] = messages,
            ["add_generation_prompt"] = Chance(2),
            ["bos_token"] = "<s>",
            ["eos_token"] = "</s>",
            ["tools"] = Chance(3)
                ? new JsonArray(new JsonObject
                {
                    ["type"] = "function",
                    ["function"] = new JsonObject
                    {
                        ["name"] = "f0",
                        ["description"] = Text(),
                        ["parameters"] = new JsonObject
                        {
                            ["type"] = "object",
                            ["properties"] = new JsonObject
                            {
                                ["x"] = new JsonObject { ["type"] = "string", ["description"] = Text() },
                            },
                            ["required"] = new JsonArray("x"),
                        },
                    },
                })
                : null,
        };
        if (Chance(2))
        {
            variables["enable_thinking"] = Chance(2);
        }

        return variables.ToJsonString();
    }

    /// <summary>What Python's Jinja makes of them in transformers' environment; skips where it is absent.</summary>
    private static async Task<List<JsonNode>> AskJinjaAsync(List<(string File, string Variables)> questions)
    {
        const string Script =
            """
            import sys, json, datetime
            from jinja2 import nodes
            from jinja2.exceptions import TemplateError
            from jinja2.ext import Extension, loopcontrols
            from jinja2.sandbox import ImmutableSandboxedEnvironment

            class Generation(Extension):
                tags = {"generation"}
                def parse(self, parser):
                    line = next(parser.stream).lineno
                    body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
                    return nodes.CallBlock(self.call_method("_write"), [], [], body).set_lineno(line)
                def _write(self, caller):
                    return caller()

            def raise_exception(message):
                raise TemplateError(message)

            def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
                return json.dumps(
                    x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

            env = ImmutableSandboxedEnvironment(
                trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
            env.filters["tojson"] = tojson
            env.globals["raise_exception"] = raise_exception
            env.globals["strftime_now"] = lambda f: datetime.datetime(2026, 3, 9, 8, 5, 7).strftime(f)
            compiled = {}
            for line in sys.stdin.buffer:
                file, variables = json.loads(line)
                if file not in compiled:
                    compiled[file] = env.from_string(open(file, encoding="utf-8").read())
                try:
                    print(json.dumps({"rendered": compiled[file].render(**variables)}))
                except Exception as e:
                    print(json.dumps({"error": str(e)}))
            """;
        ProcessStartInfo start = new("python3", ["-c", Script])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        try
        {
            using Process python = Process.Start(start)!;
            Task<string> output = python.StandardOutput.ReadToEndAsync();
            Task<string> errors = python.StandardError.ReadToEndAsync();
            try
            {
                foreach ((string file, string variables) in questions)
                {
                    await python.StandardInput.WriteLineAsync($"[{JsonSerializer.Serialize(file)}, {variables}]");
                }

                python.StandardInput.Close();
            }
            catch (IOException)
            {
                // It has ended; its errors say why.
            }

            await python.WaitForExitAsync();
            string said = await errors;
            Assert.SkipWhen(said.Contains("No module named 'jinja2'"), "needs python3 with jinja2");
            python.ExitCode.ShouldBe(0, said);
            return [.. (await output).TrimEnd().Split('\n').Select(line => JsonNode.Parse(line)!)];
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("needs python3 with jinja2");
            throw;
        }
    }

    private sealed class RecordedTime : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2026, 3, 9, 8, 5, 7, TimeSpan.Zero);
    }
}
