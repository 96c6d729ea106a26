using System.CommandLine;
using System.Text.Json;

namespace Octavo.Cli.Options;

/// <summary>One option of the terminal: its name, its help, and what it sets in a record of options.</summary>
/// <typeparam name="TRecord">The record.</typeparam>
internal abstract class Setting<TRecord>(Option option)
{
    /// <summary>What the terminal shows and parses.</summary>
    public Option Option { get; } = option;

    /// <summary>What a settings file calls it.</summary>
    public string Key { get; init; } = option.Name.TrimStart('-').Replace('-', '_');

    /// <summary>A settings file's value as the words of a command line.</summary>
    public Func<JsonElement, IEnumerable<string>> Words { get; init; } = value => [WordOf(value)];

    /// <summary>Whether the command line has it.</summary>
    public bool IsGiven(ParseResult result) => result.GetResult(Option) is { Implicit: false };

    /// <summary>The record with what the command line says.</summary>
    public abstract TRecord Apply(TRecord record, ParseResult result);

    /// <summary>A setting of a value.</summary>
    public static Setting<TRecord> Of<T>(Option<T> option, Func<TRecord, T, TRecord> set) =>
        new Setting<TRecord, T>(option, set);

    private static string WordOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Null => throw new FormatException("null is no value; leave it out"),
        _ => value.GetRawText(),
    };
}

/// <summary>An option of one type.</summary>
internal sealed class Setting<TRecord, T>(Option<T> option, Func<TRecord, T, TRecord> set) : Setting<TRecord>(option)
{
    /// <inheritdoc/>
    public override TRecord Apply(TRecord record, ParseResult result) =>
        IsGiven(result) ? set(record, result.GetValue(option)!) : record;
}
