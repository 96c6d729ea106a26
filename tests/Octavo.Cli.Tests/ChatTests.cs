namespace Octavo.Cli.Tests;

public sealed class ChatTests
{
    private static readonly string[] Greedy =
        ["chat", "--dtype", "float32", "--temperature", "0", "--max-tokens", "8", "--batching", "fixed"];

    [Fact]
    public async Task Chat_Piped_AnswersEachLineOnStandardOutput()
    {
        CliResult result = await CliProcess.RunAsync("The fox said\nThe hare said\n", Greedy);

        result.Code.ShouldBe(0, result.Error);
        result.Error.ShouldBeEmpty();
        result.Output.TrimEnd('\n').Split('\n').Length.ShouldBe(2);
    }

    [Fact]
    public async Task Chat_Reset_ForgetsTheConversation()
    {
        CliResult once = await CliCall.RunAsync("The fox said\n", Greedy);
        CliResult twice = await CliCall.RunAsync("The hare\n/reset\nThe fox said\n/exit\nnever read\n", Greedy);

        twice.Code.ShouldBe(0);
        twice.Output.ShouldEndWith(once.Output);
        twice.Error.ShouldBe("the conversation is forgotten\n");
    }

    [Fact]
    public async Task Chat_SystemText_StandsBeforeTheConversation()
    {
        CliResult plain = await CliCall.RunAsync("The fox said\n", Greedy);
        CliResult instructed = await CliCall.RunAsync(
            "The fox said\n", [.. Greedy, "--system", "Once upon a time there were two kings."]);

        instructed.Code.ShouldBe(0, instructed.Error);
        instructed.Output.ShouldNotBe(plain.Output);
    }

    [Fact]
    public async Task Chat_Help_ListsTheCommands()
    {
        CliResult result = await CliCall.RunAsync("/help\n/what\n", Greedy);

        result.Output.ShouldBeEmpty();
        result.Error.ShouldContain("/reset");
        result.Error.ShouldContain("there is no /what");
    }

    [Fact]
    public async Task Chat_OutgrownContext_DropsTheOldestTurnsAndSaysSo()
    {
        string line = string.Join(' ', Enumerable.Repeat("the fox", 6)) + "\n";

        CliResult result = await CliCall.RunAsync(
            line + line + line + line, [.. Greedy, "--max-model-len", "48", "--ignore-eos"]);

        result.Code.ShouldBe(0, result.Error);
        result.Error.ShouldContain(
            "the conversation outgrew the 48 tokens of context: the oldest 2 messages are dropped");
    }

    [Fact]
    public async Task Chat_MessageLongerThanTheContext_IsRefusedAndTheChatGoesOn()
    {
        string message = string.Join(' ', Enumerable.Repeat("fox", 60));

        CliResult result = await CliCall.RunAsync(message + "\nThe fox said\n", [.. Greedy, "--max-model-len", "32"]);

        result.Code.ShouldBe(0);
        result.Error.ShouldBe("that message alone is longer than the 32 tokens of context; it is not sent\n");
        result.Output.ShouldNotBeEmpty();
    }
}
