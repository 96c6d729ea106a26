using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Octavo.Cli.Bench;
using Octavo.Cli.Chat;
using Octavo.Cli.Eval;
using Octavo.Cli.Generate;
using Octavo.Cli.Inspect;
using Octavo.Cli.Models;
using Octavo.Cli.Options;
using Octavo.Cli.Pack;
using Octavo.Cli.Pull;
using Octavo.Cli.Quantize;
using Octavo.Cli.Remove;
using Octavo.Cli.Render;
using Octavo.Cli.Serve;
using Octavo.Cli.Simulate;
using Octavo.Cli.Terminal;
using Octavo.Cli.Tokenize;
using Octavo.Cli.Tune;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Lab.Tuning;
using Octavo.Quantization;
using Octavo.Text;

namespace Octavo.Cli;

/// <summary>
/// The root of the command line: parses, runs the command, and turns every failure into a line and a code.
/// </summary>
internal static class CommandLine
{
    private const string Overview =
        """
        Octavo: large language models on .NET, on the processors you have.

        A model is a Hugging Face directory (config.json, safetensors, tokenizer.json), or a name on the Hugging Face
        hub, ORG/NAME: then it is fetched into the hub's cache, which other programs share.
        Where none is named, the small story-teller that comes with Octavo answers.
        """;

    private const string Examples =
        """
        Examples:
          octavo generate "Once upon a time"               a story, as it comes
          octavo generate "The fox" "The hare" --n 2       several at once, in one batch
          octavo generate "The king" --temperature 0 --json | jq .outputs[0]
          octavo chat --model ~/models/Llama-3.2-1B-Instruct
          octavo serve ~/models/Llama-3.2-1B-Instruct --port 8000
          octavo serve Qwen/Qwen3-0.6B                     fetched the first time
          octavo inspect ~/models/Llama-3.2-1B-Instruct    what it is, and what it will take
          octavo tokenize --text "Once upon a time"        its tokens, with ids and bytes

        'octavo COMMAND --help' explains a command's options.
        """;

    /// <summary>Runs one command line; the result is the process's exit code (<see cref="ExitCode"/>).</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        // No response files: a prompt may well begin with an @.
        var parsing = new ParserConfiguration { ResponseFileTokenReplacer = null };
        ParseResult result = MakeRoot().Parse(args.Length == 0 ? ["--help"] : args, parsing);
        if (OptionKinds.FindUnknownOption(result) is { } unknown)
        {
            return Fail(ExitCode.Usage, unknown);
        }

        if (result.Errors.Count > 0)
        {
            string command = CommandPath(result.CommandResult);
            string problem = result.UnmatchedTokens.Count > 0
                ? "unknown command or option "
                    + $"'{result.UnmatchedTokens[0]}'{OptionKinds.DidYouMean(result, result.UnmatchedTokens[0])}"
                : result.Errors[0].Message.TrimEnd('.');
            return Fail(ExitCode.Usage, $"{problem} (see '{command} --help')");
        }

        try
        {
            // Commands watch for Ctrl-C themselves, each in its own way.
            var invocation = new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            };
            return await result.InvokeAsync(invocation).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
        catch (TokenizerFormatException e) when (e.IsMissing)
        {
            bool canDoWithout = result.CommandResult.Command.Options
                .Any(o => o.Name == EngineSettings.SkipTokenizerInit);
            return Fail(ExitCode.Usage, $"{e.File} is missing" + (canDoWithout ? "; "
                + $"{EngineSettings.SkipTokenizerInit} takes and gives token ids without it" : string.Empty));
        }
        catch (InvalidRequestException e)
        {
            return Fail(ExitCode.Usage, e.Describe(OptionNames.Of(result.CommandResult.Command)));
        }
        catch (EngineConfigurationException e)
        {
            return Fail(ExitCode.Usage, e.Describe(OptionNames.Of(result.CommandResult.Command)));
        }
        catch (HubException e)
        {
            return Fail(CodeOf(e.Failure), e.Message);
        }
        catch (Exception e) when (e is UsageException or CheckpointException
            or UnsupportedModelException or TokenizerFormatException or ChatTemplateException or QuantizationException
            or TuneStateException)
        {
            return Fail(ExitCode.Usage, e.Message);
        }
        catch (Exception e)
        {
            return Fail(ExitCode.Failure, e.Message);
        }
    }

    private static string CommandPath(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{CommandPath(parent)} {result.Command.Name}" : "octavo";

    private static int CodeOf(HubFailure failure) => failure switch
    {
        HubFailure.NotFound => ExitCode.Usage,
        HubFailure.Forbidden => ExitCode.Usage,
        HubFailure.NoModel => ExitCode.Usage,
        HubFailure.Offline => ExitCode.Usage,
        HubFailure.Unavailable => ExitCode.Failure,
        HubFailure.Damaged => ExitCode.Failure,
        HubFailure.Storage => ExitCode.Failure,
    };

    private static RootCommand MakeRoot()
    {
        var root = new RootCommand(Overview)
        {
            GenerateCommand.Make(),
            ChatCommand.Make(),
            ServeCommand.Make(),
            InspectCommand.Make(),
            ModelsCommand.Make(),
            PullCommand.Make(),
            RemoveCommand.Make(),
            TokenizeCommand.Make(),
            RenderCommand.Make(),
            EvalCommand.Make(),
            QuantizeCommand.Make(),
            PackCommand.Make(),
            BenchCommand.Make(),
            SimulateCommand.Make(),
            TuneCommand.Make(),
        };
        foreach (Option option in root.Options)
        {
            if (option is HelpOption { Action: HelpAction help })
            {
                option.Action = new HelpWithExamples(help);
            }
            else if (option is VersionOption)
            {
                option.Action = new ShowVersion();
            }
        }

        return root;
    }

    private static int Fail(int code, string message)
    {
        Stdio.Error.WriteLine("error: " + message.ReplaceLineEndings(" "));
        return code;
    }

    private sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
    {
        // As the action it wraps: asking for help is never wrong.
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int code = help.Invoke(parseResult);
            if (parseResult.CommandResult.Command is RootCommand)
            {
                parseResult.InvocationConfiguration.Output.WriteLine(Examples);
            }

            return code;
        }
    }

    private sealed class ShowVersion : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine("octavo " + ReportPage.Version);
            return ExitCode.Success;
        }
    }
}
