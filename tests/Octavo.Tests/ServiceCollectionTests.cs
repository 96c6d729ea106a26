using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Octavo.Formats;
using Octavo.Testing;

namespace Octavo.Tests;

public sealed class ServiceCollectionTests
{
    [Fact]
    public async Task AddOctavo_Resolved_AnswersAndIsOneEngine()
    {
        await using ServiceProvider provider = new ServiceCollection()
            .AddOctavo(
                Repository.TalesModel,
                new EngineOptions { Memory = new() { KvCacheMemory = 16 << 20 }, Model = new() { MaxModelLen = 128 } })
            .BuildServiceProvider();

        IChatClient client = provider.GetRequiredService<IChatClient>();
        ChatResponse response = await client.GetResponseAsync("The fox", new ChatOptions { MaxOutputTokens = 4 });

        response.Usage!.OutputTokenCount.ShouldBe(4);
        client.GetService<AsyncEngine>().ShouldBeSameAs(provider.GetRequiredService<AsyncEngine>());
        provider.GetRequiredService<AsyncEngine>().Model.MaxModelLen.ShouldBe(128);
    }

    [Fact]
    public async Task AddOctavo_ProviderDisposed_StopsTheEngine()
    {
        ServiceProvider provider = new ServiceCollection()
            .AddOctavo(Repository.TalesModel, o => o with { Memory = new() { KvCacheMemory = 16 << 20 } })
            .BuildServiceProvider();
        AsyncEngine engine = provider.GetRequiredService<AsyncEngine>();

        await provider.DisposeAsync();

        await Should.ThrowAsync<ObjectDisposedException>(() => engine.GenerateAsync("The fox"));
    }

    [Fact]
    public void AddOctavo_NoSuchModel_FailsOnlyWhenResolved()
    {
        using ServiceProvider provider = new ServiceCollection().AddOctavo("/no/such/model").BuildServiceProvider();

        Should.Throw<CheckpointException>(() => provider.GetRequiredService<IChatClient>());
    }
}
