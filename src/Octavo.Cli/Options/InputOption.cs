using System.CommandLine;
using System.CommandLine.Parsing;
using Octavo.Cli.Terminal;

namespace Octavo.Cli.Options;

/// <summary><c>--input</c>: what a command reads instead of standard input.</summary>
internal sealed class InputOption(string help)
{
    private readonly Option<string?> _file =
        OptionKinds.Text("--input", "FILE", help + " [default: standard input]");

    /// <summary>Adds the option to a command.</summary>
    public void AddTo(Command command) => command.Add(_file);

    /// <summary>Whether a file is named.</summary>
    public bool IsGiven(ParseResult result) => result.GetValue(_file) is not null;

    /// <summary>Reads the file, or standard input.</summary>
    /// <exception cref="UsageException">There is no such file.</exception>
    public void Read(ParseResult result, Action<TextReader> read) => Read(result, input =>
    {
        read(input);
        return true;
    });

    /// <summary>Reads the file, or standard input.</summary>
    /// <exception cref="UsageException">There is no such file.</exception>
    public T Read<T>(ParseResult result, Func<TextReader, T> read)
    {
        if (result.GetValue(_file) is not { } file)
        {
            return read(Stdio.In);
        }

        UsageException.ThrowIf(!File.Exists(file), $"no such file: {file}");
        using var opened = new StreamReader(file);
        return read(opened);
    }
}
