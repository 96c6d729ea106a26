using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Octavo.Server.Http;
using Octavo.Server.Protocols;
using Octavo.Server.Protocols.OpenAI;

namespace Octavo.Server.Endpoints;

/// <summary><c>/tokenize</c> and <c>/detokenize</c>.</summary>
internal sealed class TokenizationEndpoints(OpenAIProtocol protocol, Tokenization tokenization, FieldLog log)
{
    public async Task TokenizeAsync(HttpContext context)
    {
        var request = new TokenizeRequest();
        await ReadAsync(context, request, TokenizeRequest.Fields);
        protocol.CheckModel(request.Model);
        await JsonOutput.WriteAsync(context, tokenization.Encode(request));
    }

    public async Task DetokenizeAsync(HttpContext context)
    {
        var request = new DetokenizeRequest();
        await ReadAsync(context, request, DetokenizeRequest.Fields);
        protocol.CheckModel(request.Model);
        await JsonOutput.WriteAsync(context, tokenization.Decode(request));
    }

    private async Task ReadAsync<T>(HttpContext context, T request, FieldTable<T> fields)
        where T : class
    {
        var notes = new FieldNotes();
        using (JsonDocument body = await RequestBody.ParseAsync(context))
        {
            fields.Read(new JsonValue(string.Empty, body.RootElement, notes), request);
        }

        log.Write(notes);
    }
}
