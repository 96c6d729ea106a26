using System.CommandLine;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;

namespace Octavo.Cli.Pack;

/// <summary>
/// <c>octavo pack</c>: the weights as this processor reads them, in a file beside the checkpoint from which every later
/// start takes them.
/// </summary>
internal sealed class PackCommand
{
    private readonly Argument<string> _model = new("MODEL") { Description = ModelLocator.Takes + "." };
    private readonly EngineArguments _engine = new(EngineSettings.Weights);

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new PackCommand();
        var command = new Command(
            "pack",
            "Write the packed weights into a file beside the checkpoint, so that later starts with the same options "
                + "map it instead of packing, and share it between processes.")
        {
            it._model,
        };
        it._engine.AddTo(command);
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        EngineOptions options = _engine.Read(result);
        using var interrupt = new Interrupt();
        using var model = Model.Open(ModelLocator.Find(result.GetRequiredValue(_model)));
        ProgressLine.Show("packing " + model.Name);
        (string path, long bytes) = model.Plan(options).Pack(progress: null, interrupt.Token);
        ProgressLine.Show(string.Empty);
        Stdio.Out.WriteLine($"{path} ({ByteSize.Format(bytes)})");
        Stdio.Out.Flush();
        return ExitCode.Success;
    }
}
