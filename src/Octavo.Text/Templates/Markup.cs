namespace Octavo.Text.Templates;

/// <summary>Text that is HTML already; what is joined to it gets escaped.</summary>
internal sealed record Markup(string Text)
{
    /// <summary>A value's text with HTML's escapes; markup as it is.</summary>
    public static Markup Escape(object? value)
    {
        if (value is Markup markup)
        {
            return markup;
        }

        string plain = Printing.Str(value);
        Renderer.ChargeEach(plain.Length);
        TextJoiner text = Renderer.JoinedHere();
        int done = 0;
        for (int i = 0; i < plain.Length; i++)
        {
            string? escape = plain[i] switch
            {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '\'' => "&#39;",
                '"' => "&#34;",
                _ => null,
            };
            if (escape is not null)
            {
                text.Append(plain, done, i - done).Append(escape);
                done = i + 1;
            }
        }

        text.Append(plain, done, plain.Length - done);

        return new Markup(text.ToString());
    }
}
