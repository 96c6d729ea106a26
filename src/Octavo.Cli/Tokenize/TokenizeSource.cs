using Octavo.Cli.Options;
using Octavo.Cli.Render;
using Octavo.Formats.Hub;
using Octavo.Text;
using Octavo.Text.Prompts;

namespace Octavo.Cli.Tokenize;

/// <summary>The tokenizer of a model's directory or of a single file.</summary>
internal sealed class TokenizeSource
{
    private readonly Tokenizer _tokenizer;
    private readonly string _name;

    private TokenizeSource(Tokenizer tokenizer, string name) => (_tokenizer, _name) = (tokenizer, name);

    /// <summary>How a text is encoded unless the caller says otherwise: all that the tokenizer's file says.</summary>
    public static EncodeOptions ForText { get; } = new() { ApplyLengths = true };

    /// <summary>One more than the highest id.</summary>
    public int VocabSize => _tokenizer.VocabSize;

    /// <summary>Loads it.</summary>
    /// <param name="model">The directory, the file or the name on the hub; null for the bundled model.</param>
    public static TokenizeSource Load(string? model)
    {
        string path = File.Exists(model) ? model : ModelLocator.Find(model, ModelParts.Text);
        return new(File.Exists(path) ? Tokenizer.LoadFile(path) : Tokenizer.Load(path), path);
    }

    /// <summary>What makes prompts of conversations.</summary>
    /// <param name="template">The template's name, or null for that which the conversation needs.</param>
    public RenderSource Prompts(string? template) => RenderSource.Of(_tokenizer, _name, template);

    /// <summary>The tokens of a text.</summary>
    public IReadOnlyList<TokenView> Encode(string text, EncodeOptions options) =>
        ViewsOf(_tokenizer.Encode(text, options));

    /// <summary>The tokens of a conversation's prompt.</summary>
    public IReadOnlyList<TokenView> Encode(RenderedPrompt prompt, EncodeOptions options) =>
        ViewsOf(_tokenizer.Encode(prompt, options));

    /// <summary>The text of tokens.</summary>
    public string Decode(IReadOnlyList<int> ids, bool skipSpecialTokens) =>
        _tokenizer.Decode([.. ids], skipSpecialTokens);

    private IReadOnlyList<TokenView> ViewsOf(int[] ids) => Array.ConvertAll(
        ids, id => new TokenView(id, _tokenizer.IdToToken(id), _tokenizer.TokenBytes(id), _tokenizer.IsSpecial(id)));
}
