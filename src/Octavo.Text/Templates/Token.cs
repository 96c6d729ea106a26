using System.Numerics;

namespace Octavo.Text.Templates;

internal enum TokenKind
{
    /// <summary>Text between the tags.</summary>
    Data,
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,
}

/// <summary>A token of a template.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Data, a name, an operator, or what a string literal stands for.</param>
/// <param name="Position">Where it begins, in characters.</param>
/// <param name="Number">An integer's or a float's value: long, <see cref="BigInteger"/> or double.</param>
internal readonly record struct Token(TokenKind Kind, string Text, int Position, object? Number = null)
{
    public bool IsName(string name) => Kind == TokenKind.Name && Text == name;

    public bool IsOperator(string text) => Kind == TokenKind.Operator && Text == text;

    public override string ToString() => Kind switch
    {
        TokenKind.Data => "text",
        TokenKind.VariableBegin => "'{{'",
        TokenKind.VariableEnd => "'}}', the end of the expression",
        TokenKind.BlockBegin => "'{%'",
        TokenKind.BlockEnd => "'%}', the end of the statement",
        TokenKind.Name or TokenKind.Operator => $"'{Text}'",
        TokenKind.String => "a string",
        TokenKind.Integer or TokenKind.Float => "a number",
        TokenKind.End => "the end of the template",
    };
}
