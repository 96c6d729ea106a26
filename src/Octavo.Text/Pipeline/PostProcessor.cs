namespace Octavo.Text.Pipeline;

/// <summary>The special tokens that go before and after an encoded text.</summary>
internal sealed record PostProcessor(int[] Before, int[] After)
{
    public static PostProcessor None { get; } = new([], []);

    /// <summary>This one, then <paramref name="outer"/> around its result.</summary>
    public PostProcessor Then(PostProcessor outer) =>
        new([.. outer.Before, .. Before], [.. After, .. outer.After]);
}
