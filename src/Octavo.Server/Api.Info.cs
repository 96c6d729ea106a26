using System.Reflection;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Octavo.Server.Http;
using Octavo.Server.Requests;
using Octavo.Text;

namespace Octavo.Server;

// The endpoints that run nothing.
internal sealed partial class Api
{
    private static readonly string Version =
        typeof(Api).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0";

    private static Task VersionAsync(HttpContext context) => JsonOutput.WriteAsync(context, StatusCodes.Status200OK, json =>
    {
        json.WriteStartObject();
        json.WriteString("version", Version);
        json.WriteEndObject();
    });

    private async Task ShowPageAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        string address = $"{request.Scheme}://{(request.Headers.Host is [{ Length: > 0 } host] ? host : "localhost")}{request.PathBase}";
        string page = HomePage.Write(_engine.Model, _names[0], Version, address, _engine.BatchingAdvice, _jobs.CanChat);
        context.Response.ContentType = "text/html; charset=utf-8";
        context.Response.Headers.ContentSecurityPolicy = HomePage.SecurityPolicy;
        context.Response.Headers.CacheControl = "no-cache";
        await context.Response.BodyWriter.WriteAsync(Encoding.UTF8.GetBytes(page), context.RequestAborted);
    }

    private Task HealthAsync(HttpContext context)
    {
        if (_engine.Failure is { } failure)
        {
            throw new ApiException(
                StatusCodes.Status503ServiceUnavailable, "server_error", null, "engine_failed", "the engine has failed: " + failure.Message);
        }

        if (Gate.IsClosed)
        {
            throw ApiException.ShuttingDown();
        }

        // As vLLM's, empty where all is well.
        return _engine.BatchingAdvice is not { } advice ? Task.CompletedTask : JsonOutput.WriteAsync(context, StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            json.WriteString("status", "degraded");
            json.WriteString("detail", advice);
            json.WriteEndObject();
        });
    }

    private Task ListModelsAsync(HttpContext context) => JsonOutput.WriteAsync(context, StatusCodes.Status200OK, json =>
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (string name in _names)
        {
            WriteModel(json, name);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    });

    private Task ShowModelAsync(HttpContext context)
    {
        string name = context.GetRouteValue("id") as string ?? string.Empty;
        CheckModel(name);
        return JsonOutput.WriteAsync(context, StatusCodes.Status200OK, json => WriteModel(json, name));
    }

    private void WriteModel(Utf8JsonWriter json, string name)
    {
        json.WriteStartObject();
        json.WriteString("id", name);
        json.WriteString("object", "model");
        json.WriteNumber("created", _started);
        json.WriteString("owned_by", "octavo");
        json.WriteString("root", _options.ModelRoot ?? name);
        json.WriteNull("parent");
        json.WriteNumber("max_model_len", _engine.Model.MaxModelLen);
        json.WriteEndObject();
    }

    private async Task TokenizeAsync(HttpContext context)
    {
        var request = new TokenizeRequest();
        using (JsonDocument body = await RequestBody.ParseAsync(context))
        {
            Read(body, request, TokenizeRequest.Fields);
        }

        CheckModel(request.Model);
        request.Check();
        Tokenizer tokenizer = RequireTokenizer();
        int[] tokens;
        if (request.Prompt is { } prompt)
        {
            tokens = tokenizer.Encode(prompt, request.AddSpecialTokens ?? true);
        }
        else
        {
            tokens = tokenizer.Encode(_jobs.Render(request.Conversation), request.AddSpecialTokens ?? false);
        }

        await JsonOutput.WriteAsync(context, StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("count", tokens.Length);
            json.WriteNumber("max_model_len", _engine.Model.MaxModelLen);
            json.WriteNumbers("tokens", tokens);
            if (request.ReturnTokenStrings)
            {
                json.WriteStartArray("token_strs");
                foreach (int token in tokens)
                {
                    json.WriteStringValue(tokenizer.IdToToken(token));
                }

                json.WriteEndArray();
            }
            else
            {
                json.WriteNull("token_strs");
            }

            json.WriteEndObject();
        });
    }

    private async Task DetokenizeAsync(HttpContext context)
    {
        var request = new DetokenizeRequest();
        using (JsonDocument body = await RequestBody.ParseAsync(context))
        {
            Read(body, request, DetokenizeRequest.Fields);
        }

        CheckModel(request.Model);
        Tokenizer tokenizer = RequireTokenizer();
        int[] tokens = request.Tokens ?? throw ApiException.BadRequest("tokens", "tokens is required: a list of token ids");
        int vocabulary = _engine.Model.Spec.VocabSize;
        int bad = Array.FindIndex(tokens, t => (uint)t >= (uint)vocabulary);
        if (bad >= 0)
        {
            throw ApiException.BadRequest("tokens", $"tokens[{bad}] must be a token id from 0 to {vocabulary - 1}; it is {tokens[bad]}");
        }

        // Special tokens stay, as in vLLM: what was tokenized comes back whole.
        string text = tokenizer.Decode(tokens, skipSpecialTokens: false);
        await JsonOutput.WriteAsync(context, StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            json.WriteString("prompt", text);
            json.WriteEndObject();
        });
    }

    private Tokenizer RequireTokenizer() =>
        _engine.Tokenizer ?? throw ApiException.BadRequest(null, "this engine runs without a tokenizer");
}
