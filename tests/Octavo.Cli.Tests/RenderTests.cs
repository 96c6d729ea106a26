namespace Octavo.Cli.Tests;

public sealed class RenderTests : IDisposable
{
    private const string Template = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
        + "{% if tools %}{{ tools | tojson }}{% endif %}{{ mood }}{% if add_generation_prompt %}<assistant>{% endif %}";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("octavo-render-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task Render_File_PrintsThePromptToTheCharacter()
    {
        string template = Write("t.jinja", Template);
        CliResult result = await CliCall.RunAsync("""[{"role": "user", "content": "Hi"}]""", ["render", template]);
        result.Code.ShouldBe(0, result.Error);
        result.Output.ShouldBe("<user>Hi");
    }

    [Fact]
    public async Task Render_Lines_AnswersEachAndGoesOnAfterErrors()
    {
        string template = Write("t.jinja", Template + "{% if no %}{{ raise_exception('No: ' + no) }}{% endif %}");
        string input = """
            {"messages": [{"role": "user", "content": "é"}], "kwargs": {"add_generation_prompt": true, "mood": "gay"}}
            {"messages": [], "kwargs": {"no": "never"}}
            not JSON
            {"messages": [], "tools": [{"name": "f"}], "special_tokens": {"bos_token": "<s>"}}
            {"message": []}
            """;
        CliResult result = await CliCall.RunAsync(input, ["render", template, "--jsonl"]);
        result.Code.ShouldBe(0, result.Error);
        string[] lines = result.Output.TrimEnd().Split('\n');
        lines.Length.ShouldBe(5);
        lines[0].ShouldBe("""{"rendered":"<user>égay<assistant>"}""");
        lines[1].ShouldStartWith("{\"error\":");
        lines[1].ShouldContain("No: never");
        lines[2].ShouldStartWith("{\"error\":");
        lines[3].ShouldBe("""{"rendered":"<s>[{\"name\": \"f\"}]"}""");
        lines[4].ShouldContain("'message' is none of");
    }

    [Fact]
    public async Task Render_Model_UsesItsTemplatesAndTokens()
    {
        Write(
            "tokenizer_config.json",
            """
            {"bos_token": "<s>", "chat_template": [
                {"name": "default", "template": "{{ bos_token }}D"}, {"name": "tool_use", "template": "T"}]}
            """);
        (await Answer("""{"messages": []}""")).ShouldBe("""{"rendered":"<s>D"}""");
        (await Answer("""{"messages": [], "tools": []}""")).ShouldBe("""{"rendered":"T"}""");
        (await Answer("""{"messages": []}""", "--template", "tool_use")).ShouldBe("""{"rendered":"T"}""");
        CliResult none = await CliCall.RunAsync("[]", ["render", _directory.FullName, "--template", "rag"]);
        none.Code.ShouldBe(2);
        none.Error.ShouldContain("no template named rag; it has default, tool_use");

        async Task<string> Answer(string input, params string[] options)
        {
            CliResult result = await CliCall.RunAsync(input, ["render", _directory.FullName, "--json", .. options]);
            result.Code.ShouldBe(0, result.Error);
            return result.Output.TrimEnd();
        }
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_directory.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }
}
