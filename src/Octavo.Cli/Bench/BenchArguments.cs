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

    private readonly Option<int?> _threads = OptionKinds.Integer("--threads", "Threads that share the work. [default: one a processor]");
    private readonly Option<bool> _json = OptionKinds.Switch("--json", "Print one JSON object.");

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_shape);
        command.Add(_threads);
        command.Add(_json);
    }

    /// <summary>The shape that was asked for.</summary>
    public ModelShape Shape(ParseResult result) => ModelShape.All[result.GetValue(_shape)];

    /// <summary>The threads that were asked for, or null.</summary>
    /// <exception cref="UsageException">There cannot be so many.</exception>
    public int? Threads(ParseResult result)
    {
        int? threads = result.GetValue(_threads);
        return threads is < 1 or > 1024 ? throw new UsageException($"--threads must be between 1 and 1024; it is {threads}") : threads;
    }

    /// <summary>Whether JSON was asked for.</summary>
    public bool Json(ParseResult result) => result.GetValue(_json);
}
