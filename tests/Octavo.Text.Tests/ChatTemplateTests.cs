namespace Octavo.Text.Tests;

public sealed class ChatTemplateTests
{
    private static readonly ChatMessage[] s_conversation =
    [
        new("system", " Be brief. "),
        new("user", "Hi"),
        new("assistant", "Hello"),
        new("user", "Bye"),
    ];

    private static readonly Dictionary<string, string> s_variables = new() { ["bos_token"] = "<s>", ["x"] = "abc" };

    private static string Render(string source, bool addGenerationPrompt = false) =>
        ChatTemplate.Parse(source, "test").Render(s_conversation, addGenerationPrompt, s_variables).Text;

    [Fact]
    public void Render_TalesTemplate_JoinsTurns()
    {
        Tokenizer tokenizer = Tokenizer.Load(Octavo.Testing.Repository.TalesModel);
        ChatTemplate.Parse(tokenizer.ChatTemplateSource!, "tales")
            .Render(s_conversation, addGenerationPrompt: true, s_variables).Text
                .ShouldBe(s_variables["bos_token"] + "Be brief. Hi Hello Bye");
    }

    [Fact]
    public void Render_ChatMl_OpensTheAnswer() =>
        Render(
            "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
                + "'<|im_end|>' + '\n'}}" +
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
            addGenerationPrompt: true)
            .ShouldBe("<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\nHi<|im_end|>\n" +
                "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n");

    [Fact]
    public void Render_Llama3_TrimsAndPutsBosFirst() =>
        Render(
            "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
                + "'<|start_header_id|>' + " +
            "message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}" +
            "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}")
            .ShouldBe("<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>" +
                "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>" +
                "<|start_header_id|>assistant<|end_header_id|>\n\nHello<|eot_id|>" +
                "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>");

    // The expected column is what Jinja2 3.1 gives with trim_blocks and lstrip_blocks.
    [Theory]
    [InlineData("a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc")]
    [InlineData("a  {% if true %} b {% endif %}\nc", "a   b c")]
    [InlineData("a \n {{- x -}} \n b", "aabcb")]
    [InlineData("a\n {%+ if true %}\nb{% endif +%}\nc", "a\n b\nc")]
    [InlineData("a\n  {# note #}\nb\n", "a\nb")]
    [InlineData("a {#- note -#} b", "ab")]
    [InlineData("{{ x }}\n\n", "abc\n")]
    [InlineData("{% if false %}1{% elif x == 'abc' %}2{% else %}3{% endif %}", "2")]
    [InlineData("{{ messages[0].role }}{{ messages[-1]['content'] }}{{ messages[9] }}", "systemBye")]
    [InlineData(
        "{% for m in messages[1:3] %}{{ loop.index }}{{ m.role }}{{ ',' if not loop.last }}{% endfor %}",
        "1user,2assistant")]
    [InlineData("{{ x | upper ~ 1 + 2 }}", "error")]
    [InlineData("{{ x | upper ~ 1 }}{{ messages | length }}{{ ' q ' | trim | length }}", "ABC141")]
    [InlineData(
        "{{ 'b' in x }}{{ 'b' not in x }}{{ nope is defined }}{{ x is not defined }}{{ not x is defined }}",
        "TrueFalseFalseFalseFalse")]
    [InlineData("{{ (messages[1]['role'] == 'user') != (1 % 2 == 0) }}", "True")]
    [InlineData("{{ nope or 'else' }}{{ x and 1 }}{{ none }}{{ nope }}", "else1None")]
    [InlineData("{% set v = 1 %}{% for m in messages %}{% set v = 2 %}{% endfor %}{{ v }}", "1")]
    [InlineData("{{ '}}' ~ \"%}\" ~ 'a\\'b\\n' }}", "}}%}a'b\n")]
    [InlineData("{{ x[1:] }}{{ x[:-1] }}{{ x[-1] }}{{ 'é😀z'[1] }}", "bcabc😀")]
    public void Render_Construct_GivesWhatJinjaGives(string source, string expected)
    {
        if (expected == "error")
        {
            Should.Throw<ChatTemplateException>(() => Render(source));
            return;
        }

        Render(source).ShouldBe(expected);
    }

    [Theory]
    [InlineData("a\n\n{% if x %}b", 3, "endif")]
    [InlineData("{% endfor %}", 1, "unknown statement")]
    [InlineData("{{ x ", 1, "not closed")]
    [InlineData("{{ 'x }}", 1, "not closed")]
    [InlineData("{# x", 1, "not closed")]
    [InlineData("{{ }}", 1, "expected an expression")]
    [InlineData("{{ x @ y }}", 1, "'@'")]
    [InlineData("{%", 1, "not closed")]
    public void Parse_Malformed_NamesTemplateLineAndConstruct(string source, int line, string construct)
    {
        ChatTemplateException error = Should.Throw<ChatTemplateException>(() => ChatTemplate.Parse(source, "my.jinja"));
        error.Template.ShouldBe("my.jinja");
        error.Line.ShouldBe(line);
        error.Message.ShouldContain(construct);
    }

    [Fact]
    public void Parse_DeepNesting_IsRefused()
    {
        Should.Throw<ChatTemplateException>(() => ChatTemplate.Parse("{{ " + new string('(', 100_000) + " }}", "deep"));
        Should.Throw<ChatTemplateException>(
            () => ChatTemplate.Parse(string.Concat(Enumerable.Repeat("{% if x %}", 100_000)), "deep"));
    }

    [Fact]
    public void Render_RaiseException_CarriesItsMessage() =>
        Should.Throw<ChatTemplateException>(() => Render("\n{{ raise_exception('no ' ~ x) }}"))
            .Message.ShouldBe("test, line 2, column 4: no abc");

    [Fact]
    public void Render_MemberOfUndefined_IsAnError() =>
        Should.Throw<ChatTemplateException>(() => Render("{{ nope.a }}")).Message.ShouldContain("nope");
}
