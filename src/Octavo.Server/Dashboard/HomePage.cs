using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Octavo.Server.Dashboard;

/// <summary>The page at the root: what runs here, and how to call it.</summary>
internal static class HomePage
{
    private const string Style = """
        :root { color-scheme: light dark; --line: light-dark(#d8d4cc, #3b3a38); --soft: light-dark(#f6f3ee, #23221f);
          --ink: light-dark(#24211c, #ece8e1); --dim: light-dark(#6b655b, #a49d92);
          --link: light-dark(#8a3b12, #e6a06f); }
        * { box-sizing: border-box; }
        body { margin: 0; background: light-dark(#fffdf9, #191816); color: var(--ink);
        font: 16px/1.55 system-ui, sans-serif; }
        main { max-width: 46rem; margin: 0 auto; padding: 2rem 1rem 3rem; }
        h1 { font: 600 2.1rem/1.15 Georgia, serif; margin: .1rem 0 .4rem; overflow-wrap: anywhere; }
        h2 { font-size: 1rem; margin: 1.8rem 0 .4rem; }
        p { margin: .4rem 0; overflow-wrap: anywhere; }
        .brand { color: var(--dim); letter-spacing: .04em; }
        .state::before { content: "●"; margin-right: .5em; }
        .good::before { color: #3c9a5f; }
        .warn::before { color: #d08a1d; }
        dl { display: grid; grid-template-columns: 1fr 1fr; gap: 1px; margin: 1.4rem 0;
          background: var(--line); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
        dl div { background: var(--soft); padding: .6rem .8rem; }
        dt { color: var(--dim); font-size: .8rem; }
        dd { margin: 0; font-size: .9rem; overflow-wrap: anywhere; }
        code { font: .86em/1.5 ui-monospace, Consolas, monospace; }
        pre { margin: 0; padding: .8rem; background: var(--soft); border: 1px solid var(--line);
        border-radius: 8px; white-space: pre-wrap; overflow-wrap: anywhere; }
        nav { display: flex; flex-wrap: wrap; gap: .4rem 1.4rem; margin-top: 2.2rem; padding-top: 1rem;
        border-top: 1px solid var(--line); }
        a { color: var(--link); }
        @media (min-width: 40rem) { dl { grid-template-columns: 1fr 1fr 1fr; } }
        """;

    /// <summary>The page shows its own style, links, and nothing else, whatever the model is called.</summary>
    public static string SecurityPolicy { get; } =
        "default-src 'none'; style-src "
            + $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Style)))}'; base-uri 'none'; "
            + "form-action 'none'";

    public static string Write(
        ModelInfo model, string name, string version, string address, string? advice, bool canChat)
    {
        string title = $"{name} on Octavo";
        string state = advice is null ? "good" : "warn";
        return $$"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{{Html(title)}}</title>
            <style>{{Style}}</style>
            </head>
            <body>
            <main>
            <header>
            <p class="brand">Octavo {{Html(version)}}</p>
            <h1>{{Html(name)}}</h1>
            <p class="state {{state}}">{{(advice is null ? "Ready." : "Running, but " + Html(advice))}}</p>
            </header>
            <dl>
            {{Fact("Architecture", model.Architecture)}}
            {{Fact("Context", $"{Number(model.MaxModelLen)} tokens")}}
            {{Fact("Weights", $"{Size(model.WeightBytes)}, {model.StoredQuantization ?? model.Weights.ToString()}")}}
            {{Fact("Cache", $"{Number(model.KvCacheTokens)} tokens")}}
            {{Fact("At once", $"up to {Number(model.MaxNumSeqs)} requests")}}
            {{Fact("Runs on", $"{Number(model.Threads)} threads")}}
            </dl>
            <p>It speaks OpenAI's API at <code>{{Html(address)}}/v1</code>, so whatever speaks that can use it.
            Any API key will do.</p>
            <h2>curl</h2>
            <pre><code>{{Html(Curl(name, address))}}</code></pre>
            <h2>C#</h2>
            <p>{{(canChat ? "With the package <code>OpenAI</code> from NuGet." : "With nothing but .NET.")}}</p>
            <pre><code>{{Html(canChat ? CSharpChat(name, address) : CSharpCompletion(name, address))}}</code></pre>
            <h2>Python</h2>
            <p>With the package <code>openai</code> from PyPI.</p>
            <pre><code>{{Html(canChat ? PythonChat(name, address) : PythonCompletion(name, address))}}</code></pre>
            <nav>
            <a href="health">Health</a>
            <a href="metrics">Metrics</a>
            <a href="v1/models">Models</a>
            <a href="version">Version</a>
            </nav>
            </main>
            </body>
            </html>

            """;
    }

    private static string Curl(string name, string address)
    {
        string body = $$"""{"model": {{Json(name)}}, "prompt": "Once upon a time", "max_tokens": 60}""";
        return $"""
            curl {address}/v1/completions \
              -H 'Content-Type: application/json' \
              -d '{body.Replace("'", @"'\''", StringComparison.Ordinal)}'
            """;
    }

    private static string CSharpChat(string name, string address) => $$"""
        using System.ClientModel;
        using OpenAI;

        var client = new OpenAIClient(
            new ApiKeyCredential("none"),
            new OpenAIClientOptions { Endpoint = new Uri({{Json(address + "/v1")}}) });
        var chat = client.GetChatClient({{Json(name)}});
        var answer = await chat.CompleteChatAsync("Tell me a story.");
        Console.WriteLine(answer.Value.Content[0].Text);
        """;

    private static string PythonChat(string name, string address) => $$"""
        from openai import OpenAI

        client = OpenAI(base_url={{Json(address + "/v1")}}, api_key="none")
        answer = client.chat.completions.create(
            model={{Json(name)}},
            messages=[{"role": "user", "content": "Tell me a story."}],
        )
        print(answer.choices[0].message.content)
        """;

    // For models that complete texts and know no turns.
    private static string CSharpCompletion(string name, string address) => $$"""
        using System.Net.Http.Json;
        using System.Text.Json;

        using var http = new HttpClient();
        var request = new { model = {{Json(name)}}, prompt = "Once upon a time", max_tokens = 60 };
        var response = await http.PostAsJsonAsync({{Json(address + "/v1/completions")}}, request);
        var answer = await response.Content.ReadFromJsonAsync<JsonElement>();
        Console.WriteLine(answer.GetProperty("choices")[0].GetProperty("text"));
        """;

    private static string PythonCompletion(string name, string address) => $$"""
        from openai import OpenAI

        client = OpenAI(base_url={{Json(address + "/v1")}}, api_key="none")
        answer = client.completions.create(
            model={{Json(name)}},
            prompt="Once upon a time",
            max_tokens=60,
        )
        print(answer.choices[0].text)
        """;

    private static string Fact(string name, string value) => $"<div><dt>{Html(name)}</dt><dd>{Html(value)}</dd></div>";

    private static string Html(string text) => WebUtility.HtmlEncode(text);

    // A string literal of JSON is one of C# and of Python, too.
    private static string Json(string text) =>
        "\"" + JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping) + "\"";

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Size(long bytes) => bytes >= 1L << 30
        ? string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1 << 30):F1} GiB")
        : string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1 << 20):F1} MiB");
}
