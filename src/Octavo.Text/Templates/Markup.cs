using System.Text;

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

        var text = new StringBuilder();
        string plain = Printing.Str(value);
        Renderer.ChargeEach(plain.Length);
        foreach (char c in plain)
        {
            _ = c switch
            {
                '&' => text.Append("&amp;"),
                '<' => text.Append("&lt;"),
                '>' => text.Append("&gt;"),
                '\'' => text.Append("&#39;"),
                '"' => text.Append("&#34;"),
                _ => text.Append(c),
            };
        }

        return new Markup(text.ToString());
    }
}
