using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Octavo.Server.Endpoints;

namespace Octavo.Server;

/// <summary>Puts the endpoints into an ASP.NET Core application.</summary>
public static class OctavoEndpoints
{
    /// <summary>
    /// Maps OpenAI's and vLLM's endpoints over an engine. The application owns the engine, the listening and the
    /// shutdown; of the options, those that concern them say nothing here.
    /// </summary>
    /// <param name="endpoints">The application, or a group of its routes.</param>
    /// <param name="engine">Answers the requests.</param>
    /// <param name="options">What the server calls itself.</param>
    /// <returns>The endpoints, to add authorization, rate limits and the like.</returns>
    public static IEndpointConventionBuilder MapOctavo(
        this IEndpointRouteBuilder endpoints, AsyncEngine engine, ServerOptions? options = null)
    {
        var api = new Api(
            engine, options ?? new ServerOptions(), endpoints.ServiceProvider.GetService<ILoggerFactory>());
        endpoints.ServiceProvider.GetService<IHostApplicationLifetime>()?.ApplicationStopped.Register(api.Dispose);
        return api.Map(endpoints);
    }
}
