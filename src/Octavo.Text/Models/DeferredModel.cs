namespace Octavo.Text.Models;

/// <summary>A model that is made when it is first needed.</summary>
internal sealed class DeferredModel(Func<TextModel> make) : TextModel
{
    private readonly Lazy<TextModel> _model = new(make);

    public override void Encode(ReadOnlySpan<char> piece, List<int> ids) => _model.Value.Encode(piece, ids);
}
