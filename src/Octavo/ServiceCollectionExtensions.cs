using Microsoft.Extensions.AI;
using Octavo;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Puts a model into a service collection.</summary>
public static class OctavoServiceCollectionExtensions
{
    /// <summary>
    /// Registers one <see cref="AsyncEngine"/> for the model and an <see cref="IChatClient"/> over it, both singletons.
    /// The model is loaded when either is first resolved, and let go when the provider is disposed.
    /// </summary>
    /// <param name="services">The collection.</param>
    /// <param name="modelPath">The model's Hugging Face directory, or its name on the hub: <c>ORG/NAME</c>.</param>
    /// <param name="options">How to load and run it; null takes the defaults.</param>
    /// <returns>The same collection.</returns>
    /// <example>
    /// <code>
    /// var options = new EngineOptions { Model = new() { MaxModelLen = 4096 } };
    /// builder.Services.AddOctavo("models/Llama-3.2-1B-Instruct", options);
    /// // …
    /// app.MapGet("/ask", async (string q, IChatClient chat) => (await chat.GetResponseAsync(q)).Text);
    /// </code>
    /// </example>
    public static IServiceCollection AddOctavo(
        this IServiceCollection services, string modelPath, EngineOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(modelPath);
        services.AddSingleton(_ => AsyncEngine.Load(modelPath, options));
        services.AddSingleton(provider => provider.GetRequiredService<AsyncEngine>().AsChatClient());
        return services;
    }

    /// <inheritdoc cref="AddOctavo(IServiceCollection, string, EngineOptions?)"
    /// path="/summary|/param[@name='services']|/param[@name='modelPath']|/returns"/>
    /// <param name="services">The collection.</param>
    /// <param name="modelPath">The model's Hugging Face directory, or its name on the hub: <c>ORG/NAME</c>.</param>
    /// <param name="configure">Changes the default options: <c>o => o with { MaxModelLen = 4096 }</c>.</param>
    public static IServiceCollection AddOctavo(
        this IServiceCollection services, string modelPath, Func<EngineOptions, EngineOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        EngineOptions options = configure(new EngineOptions()) ?? throw new ArgumentException(
            "gave null; expected the options", nameof(configure));
        return services.AddOctavo(modelPath, options);
    }
}
