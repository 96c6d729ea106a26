using System.Collections.Concurrent;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Octavo.Testing;

namespace Octavo.Architecture.Tests;

/// <summary>A project under src, read as the compiler reads it: every name in it, and what it means.</summary>
internal sealed class ProjectSource
{
    // What `ImplicitUsings` adds (Microsoft.NET.Sdk).
    private const string GlobalUsings =
        """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    // All that this process could load, but tests.
    private static readonly (string Name, MetadataReference Assembly)[] References =
    [
        .. from path in ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
           let name = Path.GetFileNameWithoutExtension(path)
           where !name.EndsWith(".Tests", StringComparison.Ordinal)
           select (name, (MetadataReference)MetadataReference.CreateFromFile(path)),
    ];

    private static readonly ConcurrentDictionary<string, Lazy<ProjectSource>> Read = new();

    private readonly string _folder;
    private readonly Dictionary<string, string> _folders = [];       // of each file
    private readonly Dictionary<(string From, string To), string> _arrows = [];
    private readonly List<(SyntaxNode Node, SemanticModel Model)> _switches = [];

    private ProjectSource(string name)
    {
        _folder = Path.Combine(Repository.Root!, "src", name);
        CSharpCompilation compilation = Compile(name);
        List<string> unknown = [];
        foreach (SyntaxTree tree in compilation.SyntaxTrees.Where(t => t.FilePath.Length > 0))
        {
            SemanticModel model = compilation.GetSemanticModel(tree);
            foreach (SyntaxNode node in tree.GetRoot().DescendantNodes())
            {
                if (node is SwitchExpressionSyntax or SwitchStatementSyntax)
                {
                    _switches.Add((node, model));
                }

                if (node is not (SimpleNameSyntax or BaseObjectCreationExpressionSyntax))
                {
                    continue;
                }

                if (model.GetSymbolInfo(node).Symbol is { } symbol)
                {
                    Note(node, symbol);
                }
                else if (model.GetTypeInfo(node).Type is IErrorTypeSymbol
                    && node is not IdentifierNameSyntax { Identifier.Text: "nameof" })
                {
                    unknown.Add($"{PlaceOf(node)}: {node}");
                }
            }
        }

        // What means nothing here would be left out silently.
        unknown.ShouldBeEmpty(name);
    }

    /// <summary>Two of its folders, of which the first names something in the second → where, for example.</summary>
    public IReadOnlyDictionary<(string From, string To), string> Arrows => _arrows;

    /// <summary>All switches, expressions and statements, and what knows their meaning.</summary>
    public IReadOnlyList<(SyntaxNode Node, SemanticModel Model)> Switches => _switches;

    /// <summary>A project, which is read once for all tests.</summary>
    public static ProjectSource Of(string name) =>
        Read.GetOrAdd(name, _ => new Lazy<ProjectSource>(() => new ProjectSource(name))).Value;

    /// <summary>C# files below a folder, without what a build leaves behind.</summary>
    public static IEnumerable<string> Files(string folder) =>
        Directory.GetFiles(folder, "*.cs").Concat(
            Directory.GetDirectories(folder).Where(d => Path.GetFileName(d) is not ("bin" or "obj")).SelectMany(Files));

    /// <summary>A node's file and line.</summary>
    public static string PlaceOf(SyntaxNode node) =>
        $"{Path.GetFileName(node.SyntaxTree.FilePath)}:{node.GetLocation().GetLineSpan().StartLinePosition.Line + 1}";

    // Under its own name, so that what others show to it alone is seen.
    private CSharpCompilation Compile(string name)
    {
        var parsing = new CSharpParseOptions(LanguageVersion.Latest, DocumentationMode.None);
        SyntaxTree[] trees =
        [
            CSharpSyntaxTree.ParseText(GlobalUsings, parsing, cancellationToken: TestContext.Current.CancellationToken),
            .. Files(_folder).Select(f => CSharpSyntaxTree.ParseText(File.ReadAllText(f), parsing, f)),
        ];
        var options = new CSharpCompilationOptions(
            Microsoft.CodeAnalysis.OutputKind.ConsoleApplication,
            allowUnsafe: true,
            concurrentBuild: false,
            nullableContextOptions: NullableContextOptions.Enable);
        return CSharpCompilation.Create(
            name, trees, References.Where(r => r.Name != name).Select(r => r.Assembly), options);
    }

    private void Note(SyntaxNode node, ISymbol symbol)
    {
        symbol = (symbol as IMethodSymbol)?.ReducedFrom ?? symbol;
        if (symbol is INamespaceSymbol or ILocalSymbol or IParameterSymbol or ITypeParameterSymbol
            or IRangeVariableSymbol or ILabelSymbol)
        {
            return;
        }

        string from = FolderOf(node.SyntaxTree.FilePath);
        string[] to =
        [
            .. symbol.OriginalDefinition.Locations.Where(l => l.IsInSource)
                .Select(l => FolderOf(l.SourceTree!.FilePath)),
        ];
        if (to.Length > 0 && !to.Contains(from) && !_arrows.ContainsKey((from, to[0])))
        {
            string named = symbol.ToDisplayString(SymbolDisplayFormat.CSharpShortErrorMessageFormat);
            _arrows.Add((from, to[0]), $"{PlaceOf(node)} names {named}");
        }
    }

    // The root is a folder, too.
    private string FolderOf(string path)
    {
        if (!_folders.TryGetValue(path, out string? folder))
        {
            folder = Path.GetRelativePath(_folder, Path.GetDirectoryName(path)!).Replace('\\', '/');
            folder = folder == "." ? "/" : folder + "/";
            _folders.Add(path, folder);
        }

        return folder;
    }
}
