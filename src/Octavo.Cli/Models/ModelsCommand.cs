using System.CommandLine;
using System.Text.Json;
using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Models;
using Spectre.Console;

namespace Octavo.Cli.Models;

/// <summary><c>octavo models</c>: the families of models that load, or the models in the hub's cache.</summary>
internal sealed class ModelsCommand
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private readonly Option<bool> _json = OptionKinds.Switch("--json", "Print one JSON array.");
    private readonly Option<bool> _markdown =
        OptionKinds.Switch("--markdown", "Print a page, as it stands in the documentation.");

    private readonly Option<bool> _local =
        OptionKinds.Switch("--local", "List the models in the hub's cache, whoever fetched them, instead.");

    /// <summary>Makes the command.</summary>
    public static Command Make()
    {
        var it = new ModelsCommand();
        var command = new Command(
            "models", "List the families of models that load, or (--local) the models that are here.")
        {
            it._local, it._json, it._markdown,
        };
        command.SetAction(it.Run);
        return command;
    }

    private int Run(ParseResult result)
    {
        if (result.GetValue(_local))
        {
            UsageException.ThrowIf(result.GetValue(_markdown), "--markdown does not go with --local");
            LocalModels.Write(result.GetValue(_json));
            return ExitCode.Success;
        }

        IReadOnlyList<ModelFamily> families = ModelCatalog.All;
        if (result.GetValue(_json))
        {
            var rows = families.Select(family => new
            {
                family = family.Title,
                architecture = family.Architecture,
                model_type = family.ModelType,
            });
            Stdio.Out.WriteLine(JsonSerializer.Serialize(rows, Indented));
        }
        else if (result.GetValue(_markdown))
        {
            Stdio.Out.Write(Page(families));
        }
        else
        {
            Table table = new Table().AddColumn("family").AddColumn("architecture").AddColumn("model_type");
            table.Title = new TableTitle($"{families.Count} families");
            table.Border = TableBorder.Rounded;
            foreach (ModelFamily family in families)
            {
                table.AddRow(
                    Markup.Escape(family.Title), Markup.Escape(family.Architecture), Markup.Escape(family.ModelType));
            }

            Tables.Console().Write(table);
        }

        Stdio.Out.Flush();
        return ExitCode.Success;
    }

    private static string Page(IEnumerable<ModelFamily> families)
    {
        IEnumerable<string> rows =
            families.Select(family => $"| {family.Title} | `{family.Architecture}` | `{family.ModelType}` |\n");
        return
            """
            # Models

            What loads: Hugging Face directories with safetensors, whose `config.json` names one of these architectures
            (in `architectures`, or by its `model_type`). Every family runs in every weight scheme and with every type
            of the key-value cache. Of models of several parts (a vision tower beside a text), the text loads where its
            own `model_type` is one of these; what is left out is said. Layers with a sliding window keep no more than
            that (and what a step computes): their blocks of the cache go back to the pool as the window passes them.

            This page is what `octavo models --markdown` prints.

            | family | architecture | model_type |
            |---|---|---|

            """ + string.Concat(rows);
    }
}
