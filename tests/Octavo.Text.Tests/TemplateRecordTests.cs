using System.Text.Json;
using Octavo.Testing;
using Octavo.Text.Templates;

namespace Octavo.Text.Tests;

/// <summary>
/// What transformers 5.24 rendered: conversations through published templates, and snippets of Jinja in its
/// environment. Each test walks all its records and prints the first that differ.
/// </summary>
public sealed class TemplateRecordTests
{
    private static readonly TimeProvider s_recorded = new FixedTime(new DateTime(2026, 3, 9, 8, 5, 7));

    [Fact]
    public void Render_RecordedSnippets_GivesWhatJinjaGave()
    {
        using JsonDocument records = Read(Path.Combine(AppContext.BaseDirectory, "Vectors", "jinja.json"));
        List<string> failures = [];
        int count = 0;
        foreach (JsonElement record in records.RootElement.EnumerateArray())
        {
            count++;
            string source = record.GetProperty("template").GetString()!;
            Compare(failures, source, record, "rendered", "error", () => ChatTemplate.Parse(source, "snippet")
                .RenderWith(Map(record.GetProperty("vars")), s_recorded));
        }

        count.ShouldBe(187);
        ShouldBeNone(failures);
    }

    [Fact]
    public void Parse_RecordedSyntaxErrors_NameTheLine()
    {
        using JsonDocument records = Read(Path.Combine(AppContext.BaseDirectory, "Vectors", "jinja.json"));
        foreach (JsonElement record in records.RootElement.EnumerateArray())
        {
            if (record.TryGetProperty("line", out JsonElement line))
            {
                string source = record.GetProperty("template").GetString()!;
                Should.Throw<ChatTemplateException>(() => ChatTemplate.Parse(source, "snippet"), source)
                    .Line.ShouldBe(line.GetInt32(), source);
            }
        }
    }

    [Fact]
    public void Render_RecordedConversations_GivesWhatTransformersGave()
    {
        string folder = SharedData.Require("templates");
        string templates = SharedData.Require("third-party/templates");
        List<string> failures = [];
        int count = 0;
        foreach (string file in Directory.GetFiles(folder, "*.json").Order(StringComparer.Ordinal))
        {
            using JsonDocument document = Read(file);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                continue;
            }

            JsonElement root = document.RootElement;
            string name = root.GetProperty("template").GetString()!;
            var template = ChatTemplate.Parse(File.ReadAllText(Path.Combine(templates, name)), name);
            Dictionary<string, string> tokens = root.GetProperty("special_tokens").EnumerateObject()
                .ToDictionary(p => p.Name, p => p.Value.GetString()!);
            foreach (JsonElement record in root.GetProperty("cases").EnumerateArray())
            {
                count++;
                string what = $"{name}: {record.GetProperty("name").GetString()}";
                Compare(failures, what, record, "rendered", "error", () => template.Render(Input(record, tokens)));
            }
        }

        count.ShouldBe(1109);
        ShouldBeNone(failures);
    }

    [Fact]
    public void Parse_PublishedTemplates_AreRead()
    {
        string[] files = Directory.GetFiles(SharedData.Require("third-party/templates"), "*.jinja");
        foreach (string file in files)
        {
            ChatTemplate.Parse(File.ReadAllText(file), Path.GetFileName(file));
        }

        files.Length.ShouldBe(30);
    }

    private static JsonDocument Read(string path) => JsonDocument.Parse(File.ReadAllBytes(path));

    private static Dictionary<string, object?> Map(JsonElement json) =>
        json.EnumerateObject().ToDictionary(p => p.Name, p => TemplateJson.Read(p.Value));

    internal static TemplateInput Input(JsonElement record, Dictionary<string, string> tokens)
    {
        Dictionary<string, object?> arguments = record.TryGetProperty("kwargs", out JsonElement kwargs)
            ? Map(kwargs)
            : [];
        arguments.Remove("add_generation_prompt", out object? addGenerationPrompt);
        arguments.Remove("continue_final_message", out object? goesOn);
        return new TemplateInput
        {
            Messages = [.. record.GetProperty("messages").EnumerateArray().Select(TemplateJson.Read)],
            Tools = record.TryGetProperty("tools", out JsonElement tools) ? TemplateJson.Read(tools) : null,
            Documents = record.TryGetProperty("documents", out JsonElement documents)
                ? TemplateJson.Read(documents)
                : null,
            AddGenerationPrompt = addGenerationPrompt is true,
            ContinueFinalMessage = goesOn is true ? "content" : goesOn as string,
            SpecialTokens = tokens,
            Arguments = arguments,
            Time = s_recorded,
        };
    }

    private static void Compare(
        List<string> failures, string what, JsonElement record, string textField, string errorField,
        Func<string> render)
    {
        string? text = null, error = null;
        try
        {
            text = render();
        }
        catch (ChatTemplateException e)
        {
            error = e.Message;
        }

        if (record.TryGetProperty(textField, out JsonElement expected))
        {
            if (text != expected.GetString())
            {
                failures.Add($"{what}\n  expected {expected.GetRawText()}\n  rendered "
                    + $"{(text is null ? error : JsonSerializer.Serialize(text))}");
            }

            return;
        }

        string message = record.GetProperty(errorField).GetString()!;
        bool mustSay = record.GetProperty("error_type").GetString() == "TemplateError";
        if (error is null || (mustSay && !error.Contains(message, StringComparison.Ordinal)))
        {
            failures.Add($"{what}\n  expected the error {message}\n  rendered {error ?? text}");
        }
    }

    private static void ShouldBeNone(List<string> failures) => failures.Count.ShouldBe(
        0, $"{failures.Count} differ:\n{string.Join('\n', failures.Take(10))}");

    private sealed class FixedTime(DateTime now) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(now, TimeSpan.Zero);
    }
}
