using System.CommandLine;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Lab.Measuring;

namespace Octavo.Cli.Bench;

/// <summary>The options of every measurement.</summary>
/// <param name="shapeHelp">What the shape is taken for.</param>
internal sealed class BenchArguments(string shapeHelp = "The Llama-like model that is measured, with random weights.")
{
    private readonly Option<int> _shape = OptionKinds.Choice(
        "--shape", shapeHelp, [.. ModelShape.All.Select((s, i) => (s.Name, i))]);

    private readonly EngineArguments _engine = new(EngineSettings.Threads);
    private readonly Option<bool> _json = OptionKinds.Switch("--json", "Print one JSON object.");

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_shape);
        _engine.AddTo(command);
        command.Add(_json);
    }

    /// <summary>The shape that was asked for.</summary>
    public ModelShape Shape(ParseResult result) => ModelShape.All[result.GetValue(_shape)];

    /// <summary>The threads that were asked for, or null.</summary>
    public int? Threads(ParseResult result) => _engine.Read(result).Model.Threads;

    /// <summary>Whether JSON was asked for.</summary>
    public bool Json(ParseResult result) => result.GetValue(_json);
}
