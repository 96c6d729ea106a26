using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Octavo.Testing;

namespace Octavo.Architecture.Tests;

/// <summary>
/// Whoever decides by an enum of ours names every case, so that a new one is found by the compiler (expressions without
/// an arm for the rest, CS8509) or by this test (statements).
/// </summary>
public sealed class EnumSwitchTests
{
    // The words of a foreign format: a reader names those that it knows, and its default is an error.
    private static readonly string[] Vocabularies = ["TensorType", "TokenKind"];

    public static TheoryData<string> Projects => FolderGraphTests.Projects;

    [Theory]
    [MemberData(nameof(Projects))]
    public void Switches_OverAnEnumOfOurs_NameEveryCase(string project)
    {
        Assert.SkipWhen(Repository.Root is null, "needs the checkout");
        ProjectSource.Of(project).Switches.Select(n => FaultOf(n.Node, n.Model)).OfType<string>().ShouldBeEmpty();
    }

    [Theory]
    [InlineData("int Of(E e) => e switch { E.A => 0, E.B => 1 };", null)]
    [InlineData("int Of(E e) => e switch { E.A => 0, _ => 1 };", "C.cs:1: an arm for the rest")]
    [InlineData("int Of(E? e) => e switch { null => 2, E.A => 0, _ => 1 };", "C.cs:1: an arm for the rest")]
    [InlineData("int Of(E e, bool b) => (e, b) switch { (E.A, _) => 0, _ => 1 };", "C.cs:1: an arm for the rest")]
    [InlineData("int Of(E e, int i) => (e, i) switch { (E.A, 3) => 0, _ => 1 };", null)]
    [InlineData("int Of(TokenKind t) => t switch { TokenKind.X => 0, _ => throw new System.Exception() };", null)]
    [InlineData("int Of(TokenKind t) => t switch { TokenKind.X => 0, _ => 1 };", "C.cs:1: an arm for the rest")]
    [InlineData(
        "void Of(E e) { switch (e) { case E.A: break; case E.B: break; default: throw new System.Exception(); } }",
        null)]
    [InlineData("void Of(E e) { switch (e) { case E.A or E.B: break; default: throw new System.Exception(); } }", null)]
    [InlineData("void Of(E e) { switch (e) { case E.A: break; case E.B: break; } }", "C.cs:1: no default that throws")]
    [InlineData(
        "void Of(E e) { switch (e) { case E.A: break; case E.B: default: break; } }", "C.cs:1: no default that throws")]
    [InlineData(
        "void Of(E e) { switch (e) { case E.A: break; default: throw new System.Exception(); } }",
        "C.cs:1: B is not named")]
    [InlineData(
        "void Of(E e) { switch (e) { case E.A: break; case E.B when e > 0: break; default: throw new "
            + "System.Exception(); } }",
        "C.cs:1: B is not named")]
    public void Fault_OfASwitch_IsSeen(string member, string? expected)
    {
        CSharpCompilation compilation = CSharpCompilation.Create(
            "Octavo.C",
            [CSharpSyntaxTree.ParseText(
                $"class C {{ {member} }} enum E {{ A, B }} enum TokenKind {{ X, Y }}",
                path: "C.cs",
                cancellationToken: TestContext.Current.CancellationToken)],
            [MetadataReference.CreateFromFile(typeof(object).Assembly.Location)]);
        SyntaxTree tree = compilation.SyntaxTrees[0];
        SemanticModel model = compilation.GetSemanticModel(tree);
        SyntaxNode node = tree.GetRoot(TestContext.Current.CancellationToken).DescendantNodes()
            .Single(n => n is SwitchExpressionSyntax or SwitchStatementSyntax);
        FaultOf(node, model).ShouldBe(expected);
    }

    private static string? FaultOf(SyntaxNode node, SemanticModel model) =>
        node is SwitchExpressionSyntax expression
            ? Fault(expression, model)
            : Fault((SwitchStatementSyntax)node, model);

    private static string? Fault(SwitchExpressionSyntax node, SemanticModel model)
    {
        INamedTypeSymbol[] enums = EnumsOf(model.GetTypeInfo(node.GoverningExpression).Type);
        SwitchExpressionArmSyntax? rest =
            node.Arms.FirstOrDefault(a => a is { Pattern: DiscardPatternSyntax, WhenClause: null });
        bool isError = rest?.Expression is ThrowExpressionSyntax && enums.All(e => Vocabularies.Contains(e.Name));
        return enums.Length > 0 && rest is not null && !isError
            ? $"{ProjectSource.PlaceOf(rest)}: an arm for the rest"
            : null;
    }

    private static string? Fault(SwitchStatementSyntax node, SemanticModel model)
    {
        if (EnumsOf(model.GetTypeInfo(node.Expression).Type) is not [INamedTypeSymbol type])
        {
            return null;
        }

        SwitchSectionSyntax? rest = node.Sections.FirstOrDefault(s => s.Labels.Any(l => l is DefaultSwitchLabelSyntax));
        if (rest?.Statements[^1] is not ThrowStatementSyntax)
        {
            return $"{ProjectSource.PlaceOf(node)}: no default that throws";
        }

        HashSet<object?> named =
        [
            .. from label in node.Sections.SelectMany(s => s.Labels)
               where label is CaseSwitchLabelSyntax or CasePatternSwitchLabelSyntax { WhenClause: null }
               from expression in label.DescendantNodes().OfType<ExpressionSyntax>()
               let value = model.GetConstantValue(expression)
               where value.HasValue
               select value.Value,
        ];
        string[] missing =
        [
            .. type.GetMembers().OfType<IFieldSymbol>()
                .Where(f => f.HasConstantValue && !named.Contains(f.ConstantValue)).Select(f => f.Name),
        ];
        return missing.Length > 0 && !Vocabularies.Contains(type.Name)
            ? $"{ProjectSource.PlaceOf(node)}: {string.Join(", ", missing)} is not named"
            : null;
    }

    // The enums of ours that a value is made of: itself, or a tuple's elements where there is nothing else but truth
    // values.
    private static INamedTypeSymbol[] EnumsOf(ITypeSymbol? type) => type switch
    {
        INamedTypeSymbol { OriginalDefinition.SpecialType: SpecialType.System_Nullable_T } nullable =>
            EnumsOf(nullable.TypeArguments[0]),
        INamedTypeSymbol { IsTupleType: true } tuple
            when tuple.TupleElements.All(
                e => e.Type.SpecialType == SpecialType.System_Boolean || EnumsOf(e.Type).Length > 0) =>
            [.. tuple.TupleElements.SelectMany(e => EnumsOf(e.Type))],
        INamedTypeSymbol { TypeKind: TypeKind.Enum } one
            when one.ContainingAssembly.Name.StartsWith("Octavo", StringComparison.Ordinal) => [one],
        _ => [],
    };
}
