namespace Octavo.Cli.Tests;

/// <summary>What goes wrong at a command line, what it says, and how it ends.</summary>
public sealed class UsageTests
{
    [Theory]
    [InlineData(2, "error: unknown command or option 'tell' (see 'octavo --help')", "tell")]
    [InlineData(2, "error: unknown command or option '--loud' (see 'octavo --help')", "--loud")]
    [InlineData(2, "error: unknown option '--loud' (see 'octavo generate --help'; a prompt that begins with a dash "
        + "goes after --)", "generate", "a", "--loud")]
    [InlineData(2, "error: unknown option '-x' (see 'octavo inspect --help'; a model that begins with a dash goes "
        + "after --)", "inspect", "-x")]
    [InlineData(2, "error: unknown command or option '--json' (see 'octavo chat --help')", "chat", "--json")]
    [InlineData(2, "error: unknown command or option 'inspct'; did you mean inspect? (see 'octavo --help')", "inspct")]
    [InlineData(
        2, "error: unknown command or option 'modle'; did you mean model? (see 'octavo bench --help')", "bench",
        "modle")]
    [InlineData(2, "error: unknown option '--temprature'; did you mean --temperature? (see 'octavo generate --help'; "
        + "a prompt that begins with a dash goes after --)", "generate", "a", "--temprature", "1")]
    [InlineData(2, "error: unknown option '--max-num-seq'; did you mean --max-num-seqs? (see 'octavo serve --help'; a "
        + "model that begins with a dash goes after --)", "serve", "--max-num-seq", "3")]
    [InlineData(
        2, "error: --max-num-seqs must be at least 1; it is 0; --request-timeout must be above 0; it is 0s", "serve",
        "--max-num-seqs", "0", "--request-timeout", "0")]
    [InlineData(
        2, "error: --target-itl goes with --batching adaptive: fixed limits hold no target", "serve", "--batching",
        "fixed", "--target-itl", "50ms")]
    [InlineData(2, "error: --target-percentile takes a percentage from 50 to below 100; it is '101' (see 'octavo "
        + "serve --help')", "serve", "--target-percentile", "101")]
    [InlineData(2, "error: --target-itl must be above 0; it is 0s", "generate", "a", "--target-itl", "0")]
    [InlineData(
        2, "error: --report /nowhere/x.html: there is no directory /nowhere", "eval", "--report", "/nowhere/x.html")]
    [InlineData(2, "error: no such model directory or file: /no/such", "generate", "a", "--model", "/no/such")]
    [InlineData(2, "error: no such model directory or file: /no/such", "chat", "--model", "/no/such")]
    [InlineData(2, "error: no such model directory or file: /no/such", "inspect", "/no/such")]
    [InlineData(2, "error: unknown command or option 'gen'; did you mean generate? (see 'octavo --help')", "gen")]
    [InlineData(2, "error: unknown option '--temp'; did you mean --temperature? (see 'octavo generate --help'; a "
        + "prompt that begins with a dash goes after --)", "generate", "a", "--temp", "0")]
    [InlineData(2, "error: unknown option '--max' (see 'octavo generate --help'; a prompt that begins with a dash "
        + "goes after --)", "generate", "a", "--max", "4")]
    [InlineData(
        2, "error: the model's name is empty: name a directory, or leave it out for the bundled model", "inspect", "")]
    [InlineData(
        2, "error: --output is empty; it takes DIR (see 'octavo quantize --help')", "quantize", "--scheme", "fp8",
        "--output", "")]
    [InlineData(2, "error: --report is empty; it takes FILE.html (see 'octavo eval --help')", "eval", "--report", "")]
    [InlineData(2, "error: --report is empty; it takes FILE.html (see 'octavo tune --help')", "tune", "--report", "")]
    [InlineData(2, "error: --settings is empty; it takes FILE (see 'octavo serve --help')", "serve", "--settings", "")]
    [InlineData(
        2, "error: --max-tokens takes a whole number; it is 'many' (see 'octavo generate --help')", "generate", "a",
        "--max-tokens", "many")]
    [InlineData(
        2, "error: --temperature takes a number; it is 'hot' (see 'octavo generate --help')", "generate", "a",
        "--temperature", "hot")]
    [InlineData(
        2, "error: --dtype takes one of auto, float32, bfloat16; it is 'int8' (see 'octavo inspect --help')", "inspect",
        "--dtype", "int8")]
    [InlineData(2, "error: --kv-cache-memory takes a size such as 512MiB, 4GiB or a number of bytes; it is 'lots' "
        + "(see 'octavo inspect --help')", "inspect", "--kv-cache-memory", "lots")]
    [InlineData(2, "error: --quantization must be one of float32, bf16, fp16, fp8, int8, int8-channel, int8-weight, "
        + "int4, int4-weight; it is int3", "generate", "a", "--quantization", "int3")]
    [InlineData(2, "error: --threads must be between 1 and 1024; it is 0", "generate", "a", "--threads", "0")]
    [InlineData(
        2, "error: --block-size must be a multiple of 16 up to 1024; it is 17", "inspect", "--block-size", "17")]
    [InlineData(2, "error: --max-model-len 4096 is more than the 512 positions the model was made for "
        + "(max_position_embeddings)", "generate", "a", "--max-model-len", "4096")]
    [InlineData(2, "error: --temperature must be 0 or more; it is -1", "generate", "a", "--temperature", "-1")]
    [InlineData(2, "error: --top-p must be above 0 and at most 1; it is 2", "generate", "a", "--top-p", "2")]
    [InlineData(2, "error: --n must be at least 1; it is 0", "generate", "a", "--n", "0")]
    [InlineData(2, "error: --threads must be between 1 and 1024; it is 0", "bench", "kernels", "--threads", "0")]
    [InlineData(2, "error: --batches takes whole numbers with commas between; it is '1,x' (see 'octavo bench model "
        + "--help')", "bench", "model", "--batches", "1,x")]
    [InlineData(2, "error: --sampling: 'topp=0.9' is none of greedy, or settings with commas between, of temperature= "
        + "top-k= top-p= min-p= presence-penalty= frequency-penalty= repetition-penalty= logprobs=", "bench",
        "sampling", "--sampling", "topp=0.9")]
    [InlineData(2, "error: --sampling: top-p must be above 0 and at most 1; it is 2", "bench", "model", "--sampling",
        "top-p=2")]
    [InlineData(2, "error: --vocabularies must be from 1 to 1048576, --rows from 1 to 1024", "bench", "sampling",
        "--vocabularies", "0")]
    [InlineData(2, "error: --contexts must be between 0 and 131072", "bench", "model", "--contexts", "128,-1")]
    [InlineData(2, "error: --beam-width must be between 1 and 1024; it is 0", "generate", "a", "--beam-width", "0")]
    [InlineData(
        2, "error: --logprobs must be at most 20 (--max-logprobs); it is 21", "generate", "a", "--logprobs", "21",
        "--json")]
    [InlineData(2, "error: --logprobs needs --json, which has a place for them", "generate", "a", "--logprobs", "2")]
    [InlineData(
        2, "error: --n and --beam-width do not go together: a search returns as many texts as it has beams", "generate",
        "a", "--n", "2", "--beam-width", "2")]
    [InlineData(
        2, "error: with --skip-tokenizer-init a prompt is token ids, such as 0,3206,647; 'fox' is none", "generate",
        "fox", "--skip-tokenizer-init")]
    [InlineData(
        2, "error: unknown command or option '--skip-tokenizer-init' (see 'octavo chat --help')", "chat",
        "--skip-tokenizer-init")]
    [InlineData(2, "error: unknown option '--seed' (see 'octavo inspect --help'; a model that begins with a dash goes "
        + "after --)", "inspect", "--seed", "7")]
    [InlineData(
        2,
        "error: --temperature and --beam-width do not go together: a search goes by the model's own probabilities, "
            + "and ends at --max-tokens or the end of text",
        "generate", "a", "--beam-width", "2", "--temperature", "0.5")]
    [InlineData(
        2,
        "error: --stop and --beam-width do not go together: a search goes by the model's own probabilities, and ends "
            + "at --max-tokens or the end of text",
        "generate", "a", "--beam-width", "2", "--stop", "x")]
    [InlineData(
        2, "error: --seed and --beam-width do not go together: a search draws nothing", "generate", "a", "--beam-width",
        "2", "--seed", "0")]
    [InlineData(
        2, "error: --shutdown-timeout must be from 0 to 86400 seconds; it is 1E+30", "serve", "--shutdown-timeout",
        "1e30")]
    [InlineData(
        2, "error: --shutdown-timeout must be from 0 to 86400 seconds; it is -1", "serve", "--shutdown-timeout", "-1")]
    [InlineData(
        2, "error: --allowed-hosts takes host names without scheme and path; it is 'https://a.example'", "serve",
        "--allowed-hosts", "box.lan,https://a.example")]
    [InlineData(2, "error: --cors-origins takes origins such as https://chat.example.com, without a path; it is "
        + "'chat.example.com'", "serve", "--cors-origins", "chat.example.com")]
    [InlineData(2, "error: --cors-origins takes origins such as https://chat.example.com, without a path; it is "
        + "'https://a.example/b'", "serve", "--cors-origins", "https://a.example/b")]
    [InlineData(
        2, "error: --sse-keep-alive-interval must be at most 24 hours; 0 turns it off", "serve",
        "--sse-keep-alive-interval", "90000s")]
    [InlineData(
        2,
        "error: --custom-histogram-buckets takes a JSON object of lists of numbers, such as {\"request_latency\": "
            + "[0.1, 0.5, 1]}; it is '{not json' (see 'octavo serve --help')",
        "serve", "--custom-histogram-buckets", "{not json")]
    [InlineData(
        2,
        "error: --custom-histogram-buckets takes a JSON object of lists of numbers, such as {\"request_latency\": "
            + "[0.1, 0.5, 1]}; it is '{\"request_latency\": 3}' (see 'octavo serve --help')",
        "serve", "--custom-histogram-buckets", "{\"request_latency\": 3}")]
    [InlineData(2, "error: --custom-histogram-buckets: unknown family bogus; known: request_latency, "
        + "time_to_first_token, inter_token_latency, iteration_tokens, request_params_n, request_num_preemptions, "
        + "request_tokens", "serve", "--custom-histogram-buckets", "{\"bogus\": [1]}")]
    [InlineData(
        2, "error: --served-model-name must not be empty", "serve", "--served-model-name", "a", "--served-model-name",
        " ")]
    [InlineData(
        2, "error: no such model directory or file: /no/such", "serve", "--served-model-name", "foo", "/no/such")]
    [InlineData(
        2, "error: --quantization float32 and --dtype bfloat16 contradict each other", "inspect", "--quantization",
        "float32", "--dtype", "bfloat16")]
    [InlineData(
        2,
        "error: a key-value cache of 1000 bytes holds 0 tokens, less than one request of --max-model-len 512, which "
            + "needs 1.25 MiB: raise --kv-cache-memory",
        "inspect", "--dtype", "bfloat16", "--kv-cache-memory", "1000")]
    [InlineData(
        2, "error: --memory-fraction must be above 0 and at most 1; it is 1.5", "inspect", "--memory-fraction", "1.5")]
    [InlineData(
        2,
        "error: --kv-cache-memory and --memory-fraction do not go together: the one says how much the cache has, the "
            + "other leaves it what is left",
        "inspect", "--memory-fraction", "0.5", "--kv-cache-memory", "64MiB")]
    public async Task Run_WhatCannotBeDone_SaysWhyInOneLine(int code, string message, params string[] args)
    {
        CliResult result = await CliCall.RunAsync(args);

        result.ShouldBe(new CliResult(code, string.Empty, message + "\n"));
    }

    /// <summary>In a process whose standard input has ended: the tests' own may be a pipe that never does.</summary>
    [Fact]
    public async Task Generate_NoPromptAnywhere_SaysHowToGiveOne() =>
        (await CliProcess.RunAsync("generate")).ShouldBe(
            new CliResult(
                2,
                string.Empty,
                "error: no prompt: give one, as in octavo generate \"Once upon a time\", or pipe it in\n"));

    [Fact]
    public async Task Run_DirectoryThatIsNoModel_NamesTheMissingFile()
    {
        string directory = Directory.CreateTempSubdirectory("octavo-empty-").FullName;
        try
        {
            CliResult result = await CliCall.RunAsync("generate", "a", "--model", directory);

            result.Code.ShouldBe(2);
            result.Error.ShouldStartWith("error: ");
            result.Error.ShouldContain("config.json");
            result.Error.Count(c => c == '\n').ShouldBe(1);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public async Task Run_SecondPromptTooLong_SaysWhichAndPrintsNothing()
    {
        CliResult result = await CliCall.RunAsync(
            "generate", "--max-model-len", "16", "@fox", string.Join(' ', Enumerable.Repeat("fox", 40)));

        result.Code.ShouldBe(2);
        result.Output.ShouldBeEmpty();
        result.Error.ShouldStartWith("error: prompt 2: This model's maximum context length is 16 tokens");
    }

    [Fact]
    public async Task Run_PromptLongerThanTheContext_SaysHowLong()
    {
        CliResult result = await CliCall.RunAsync(
            "generate", "--max-model-len", "16", string.Join(' ', Enumerable.Repeat("fox", 40)));

        result.Code.ShouldBe(2);
        result.Error.ShouldContain("maximum context length is 16 tokens");
    }

    [Theory]
    [InlineData]
    [InlineData("--help")]
    public async Task Help_OfTheProgram_ListsCommandsAndExamples(params string[] args)
    {
        CliResult result = await CliProcess.RunAsync(args);

        result.Code.ShouldBe(0);
        foreach (string word
            in new[] { "generate", "chat", "inspect", "Examples:", "octavo generate \"Once upon a time\"" })
        {
            result.Output.ShouldContain(word);
        }
    }

    [Theory]
    [InlineData(
        "generate",
        "--max-tokens,--temperature,--top-p,--top-k,--min-p,--stop,--presence-penalty,--frequency-penalty,"
            + "--repetition-penalty,--n,--ignore-eos,--logprobs,--beam-width,--json")]
    [InlineData("chat", "--system,--temperature")]
    [InlineData("inspect", "--tensors,--json")]
    public async Task Help_OfACommand_ExplainsItsOptions(string command, string options)
    {
        CliResult result = await CliCall.RunAsync(command, "--help");

        result.Code.ShouldBe(0);
        string own = command == "inspect" ? "" : ",--no-enable-prefix-caching,--seed,--generation-config"
            + (command == "generate" ? ",--skip-tokenizer-init,--max-logprobs" : "");
        string shared = own
            + ",--dtype,--kv-cache-dtype,--quantization,--max-model-len,--max-num-seqs,--max-num-batched-tokens"
            + ",--block-size,--kv-cache-memory,--memory-fraction,--threads";
        foreach (string option in (options + shared).Split(','))
        {
            result.Output.ShouldContain("  " + option + " ");
        }
    }

    [Fact]
    public async Task Version_Asked_PrintsNameAndVersion()
    {
        CliResult result = await CliProcess.RunAsync("--version");

        result.Code.ShouldBe(0);
        result.Output.ShouldMatch(@"^octavo \d+\.\d+\.\d+\S*\n$");
    }
}
