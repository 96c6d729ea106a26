namespace Octavo.Text.Templates;

/// <summary>A piece of a template that writes output.</summary>
internal abstract record Statement(int Line);

/// <summary>Text that is copied.</summary>
internal sealed record TextStatement(string Text, int Line) : Statement(Line);

/// <summary><c>{{ value }}</c></summary>
internal sealed record OutputStatement(Expression Value, int Line) : Statement(Line);

/// <summary><c>{% set name = value %}</c></summary>
internal sealed record SetStatement(string Name, Expression Value, int Line) : Statement(Line);

/// <summary><c>{% for name in items %}</c></summary>
internal sealed record ForStatement(string Name, Expression Items, Block Body, int Line) : Statement(Line);

/// <summary><c>{% if %}</c> with its branches in order; <c>else</c> is a branch without a condition.</summary>
internal sealed record IfStatement(IReadOnlyList<Branch> Branches, int Line) : Statement(Line);

/// <summary>One branch of an <see cref="IfStatement"/>.</summary>
internal sealed record Branch(Expression? Condition, Block Body);

/// <summary>Statements in order.</summary>
internal sealed record Block(IReadOnlyList<Statement> Statements);

/// <summary>Something that has a value.</summary>
internal abstract record Expression(int Line);

/// <summary>A string, an integer, true, false or none.</summary>
internal sealed record LiteralExpression(object? Value, int Line) : Expression(Line);

/// <summary>A variable.</summary>
internal sealed record NameExpression(string Name, int Line) : Expression(Line);

/// <summary><c>a.b</c> or <c>a[b]</c>.</summary>
internal sealed record IndexExpression(Expression Target, Expression Index, int Line) : Expression(Line);

/// <summary><c>a[from:to]</c>; either end may be missing.</summary>
internal sealed record SliceExpression(Expression Target, Expression? From, Expression? To, int Line)
    : Expression(Line);

/// <summary><c>not a</c> or <c>-a</c>.</summary>
internal sealed record UnaryExpression(string Operator, Expression Operand, int Line) : Expression(Line);

/// <summary>An operator between two values; <c>not in</c> is one.</summary>
internal sealed record BinaryExpression(string Operator, Expression Left, Expression Right, int Line)
    : Expression(Line);

/// <summary><c>a if condition else b</c>; without <c>else</c>, undefined.</summary>
internal sealed record ConditionalExpression(Expression Then, Expression Condition, Expression? Otherwise, int Line)
    : Expression(Line);

/// <summary><c>a | filter</c></summary>
internal sealed record FilterExpression(Expression Operand, string Filter, int Line) : Expression(Line);

/// <summary><c>a is test</c>, or <c>is not</c>.</summary>
internal sealed record TestExpression(Expression Operand, string Test, bool Negated, int Line) : Expression(Line);

/// <summary><c>raise_exception(message)</c></summary>
internal sealed record RaiseExpression(Expression Message, int Line) : Expression(Line);
