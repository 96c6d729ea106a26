namespace Octavo.Text.Templates;

/// <summary>What a token of a template is.</summary>
internal enum TokenKind
{
    /// <summary>Text outside of any tag, to be copied.</summary>
    Text,

    /// <summary><c>{{</c></summary>
    OutputStart,

    /// <summary><c>}}</c></summary>
    OutputEnd,

    /// <summary><c>{%</c></summary>
    BlockStart,

    /// <summary><c>%}</c></summary>
    BlockEnd,

    /// <summary>A name or keyword.</summary>
    Name,

    /// <summary>A string literal; the token's text is its value.</summary>
    String,

    /// <summary>An integer literal.</summary>
    Integer,

    /// <summary>An operator or bracket.</summary>
    Symbol,

    /// <summary>The end of the template.</summary>
    End,
}

/// <summary>A token and the line it starts on, counted from 1.</summary>
internal readonly record struct TemplateToken(TokenKind Kind, string Text, int Line);
